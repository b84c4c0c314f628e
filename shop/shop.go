package main

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/holdfast-go/session"
)

// What a session holds.
var (
	user  = session.NewKey[User]("user", session.Rank(2)) // without it the visitor is not logged in
	cart  = session.NewKey[Cart]("cart", session.Rank(1)) // may become too large to travel
	flash = session.NewKey[string]("flash")               // said once, on the next page

	browser = session.NewKey[string]("browser") // for the list of the user's devices
)

// newShop returns all that the shop serves. Only the routes that ask for the
// session pay for it.
func newShop(sessions *session.Manager, panel *panel, log *slog.Logger) http.Handler {
	panel.sessions = sessions
	require := func(h action) http.Handler { return sessions.Require(h) }
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", action(panel.showPage))
	mux.Handle("GET /session", sessions.ReadOnly(action(showSession)))
	mux.HandleFunc("GET /food", showFood)
	mux.Handle("GET /user", action(showUser))
	mux.Handle("GET /user/readonly", sessions.Require(sessions.ReadOnly(action(readUser))))
	mux.Handle("POST /user/shoppingcart", require(addToCart))
	mux.Handle("POST /user/shoppingcart/remove", require(removeFromCart))
	mux.Handle("POST /user/shoppingcart/clear", require(clearCart))
	mux.Handle("POST /login", action(login))
	mux.Handle("POST /login/again", require(loginAgain))
	mux.Handle("POST /logout", action(logout))
	mux.Handle("POST /checkout", sessions.Require(sessions.RequireStore(recent("/", checkOut))))
	accountPages{sessions}.serve(mux)
	usersPages{buttons{panel}}.serve(mux)
	mux.Handle("GET /status", status{sessions, panel.store, panel.failures, panel.lever})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, sessions.Stats()) })
	mux.Handle("GET /metrics", panel.served.Handler(sessions))
	mux.Handle("GET /live", sessions.ReadOnly(panel.hub)) // a page that is left open does not keep its session
	buttons{panel}.serve(mux)
	if panel.operator != nil {
		panel.operator.serve(mux)
	}
	serveAssets(mux)

	h := http.NewCrossOriginProtection().Handler(panel.metrics.measure(sessions.Handler(panel.metrics.source(mux))))
	return protect(recovered(h, log))
}

// action is a handler of a route that uses the session. session.Error answers the
// error that it returns; it has written nothing then.
type action func(http.ResponseWriter, *http.Request) error

func (do action) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := do(w, r); err != nil {
		session.Error(w, r, err)
	}
}

// protect sets the headers that hold for every answer.
func protect(next http.Handler) http.Handler {
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with it browsers send Origin: null along with the
		// shop's own forms, and on a host where they send no Sec-Fetch-Site
		// either, CrossOriginProtection would refuse them.
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// recovered answers 500 where a handler panics. The handler's changes of the
// session are dropped by then.
func recovered(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			log.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "path", r.URL.Path,
				"panic", v, "stack", string(debug.Stack()))
			if a.begun {
				panic(http.ErrAbortHandler) // half an answer must not look whole
			}
			http.Error(w, "something in the shop broke; nothing was saved", http.StatusInternalServerError)
		}()
		next.ServeHTTP(a, r)
	})
}

// answer knows whether its header has left.
type answer struct {
	http.ResponseWriter
	begun  bool
	status int
}

func (a *answer) WriteHeader(status int) {
	if !a.begun && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.begun, a.status = true, status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if !a.begun {
		a.begun, a.status = true, http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
