package peer

import (
	"encoding/json"
	"net"
	"net/http"
)

// The application's routes. Each answers a Visit in JSON.
const (
	LoginPath  = "/login"  // POST ?user=: logs in, with a new session ID where the library has that
	MePath     = "/me"     // GET [?gate=]: reads the session
	AddPath    = "/add"    // POST ?thing= [&gate=]: reads the cart, adds a thing, saves it
	LogoutPath = "/logout" // POST: ends the session
)

// Visit is what the application knows of a visitor.
type Visit struct {
	User string   `json:"user"` // empty: nobody is logged in
	Cart []string `json:"cart"`
}

// library is what the application asks of a session library for net/http. The error
// that a library returns becomes the answer, by fail.
type library struct {
	wrap   func(http.Handler) http.Handler // nil: nothing
	login  func(w http.ResponseWriter, r *http.Request, user string) error
	read   func(w http.ResponseWriter, r *http.Request) (Visit, error)
	add    func(w http.ResponseWriter, r *http.Request, thing string, hold func()) (Visit, error)
	logout func(w http.ResponseWriter, r *http.Request) error
	fail   func(w http.ResponseWriter, r *http.Request, err error) // nil: 500
	ready  func() bool
}

// serve makes a server of a library for net/http.
func serve(l library, gates *gates) served {
	if l.fail == nil {
		l.fail = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	answer := func(w http.ResponseWriter, r *http.Request, v Visit, err error) {
		if err != nil {
			l.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+LoginPath, func(w http.ResponseWriter, r *http.Request) {
		user := r.FormValue("user")
		answer(w, r, Visit{User: user}, l.login(w, r, user))
	})
	mux.HandleFunc("GET "+MePath, func(w http.ResponseWriter, r *http.Request) {
		v, err := l.read(w, r)
		gates.hold(r.FormValue("gate"))
		answer(w, r, v, err)
	})
	mux.HandleFunc("POST "+AddPath, func(w http.ResponseWriter, r *http.Request) {
		v, err := l.add(w, r, r.FormValue("thing"), func() { gates.hold(r.FormValue("gate")) })
		answer(w, r, v, err)
	})
	mux.HandleFunc("POST "+LogoutPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, Visit{}, l.logout(w, r))
	})
	var h http.Handler = mux
	if l.wrap != nil {
		h = l.wrap(mux)
	}
	return served{on: func(ln net.Listener) error { return (&http.Server{Handler: h}).Serve(ln) }, ready: l.ready}
}
