package express_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
)

// The Express application says
//
//	session({ secret: ['keyboard cat'], resave: false, saveUninitialized: false, cookie: { maxAge: 3600000 } })
func ExampleProfile() {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	profile := &express.Profile{Secrets: secrets, Cookie: `{"maxAge": 3600000}`}
	options, err := profile.Options()
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New(nil) // redisstore.New(client, redisstore.Raw(), redisstore.Prefix("sess:"))
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}

	user := session.NewKey[string]("user") // req.session.user
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.From(r.Context()); err == nil {
			s.Renew()
			user.Set(s, "bob")
		}
	})

	w := httptest.NewRecorder()
	profile.Handler(sessions, mux).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login", nil))
	cookie := w.Result().Cookies()[0]
	_, _, ok := secrets.Read(cookie.Name+"="+cookie.Value, "connect.sid")
	fmt.Println(cookie.Name, ok)
	// Output: connect.sid true
}

// The Express application says
//
//	app.set('trust proxy', 1)
//	session({
//	  secret: ['keyboard cat'], name: 'sid', genid: (req) => req.hostname + '-' + crypto.randomUUID(),
//	  resave: true, saveUninitialized: true, rolling: true, cookie: (req) => ({ secure: 'auto', maxAge: 3600000 }),
//	})
//
// In Go sessions also end twelve hours after their login.
func ExampleProfile_Options() {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	profile := &express.Profile{
		Secrets: secrets, Name: "sid",
		GenID:  func(r *http.Request) string { return r.Host + "-" + express.NewID() },
		Resave: true, SaveUninitialized: true, Rolling: true,
		CookieFunc: func(*http.Request) string { return `{"secure": "auto", "maxAge": 3600000}` },
		Proxy:      express.ProxyOfExpress,
		Secure:     func(r *http.Request) bool { return r.Header.Get("X-Forwarded-Proto") == "https" },
		Lifetime:   12 * time.Hour,
	}
	options, err := profile.Options()
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New(nil)
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}
	site := profile.Handler(sessions, http.NotFoundHandler())
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	cookie := w.Result().Cookies()[0] // everybody has a session
	id, _, _ := secrets.Read("sid="+cookie.Value, "sid")
	fmt.Println(cookie.Name, id[:len("example.com-")], cookie.Secure, store.Len())
	// Output: sid example.com- true 1
}

// A login as an Express application has it: another ID for the visitor, and a cookie that
// stays where "remember me" is ticked. A logout is req.session = null.
func Example_login() {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	profile := &express.Profile{Secrets: secrets, UnsetDestroys: true}
	options, err := profile.Options()
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New(nil)
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}
	user := session.NewKey[string]("user")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := profile.Regenerate(r.Context()) // req.session.regenerate
		if err != nil {
			session.Error(w, r, err)
			return
		}
		user.Set(s, r.FormValue("user"))
		if r.FormValue("remember") == "" {
			err = express.ChangeCookie(s, json.RawMessage(`{"sameSite": "strict"}`))
		} else {
			err = express.SetMaxAge(s, 30*24*time.Hour) // req.session.cookie.maxAge = …
		}
		if err != nil {
			session.Error(w, r, err)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := profile.Unset(r.Context()); err != nil { // req.session = null
			session.Error(w, r, err)
		}
	})
	site := profile.Handler(sessions, mux)
	var cookie *http.Cookie
	post := func(target string) {
		r := httptest.NewRequest(http.MethodPost, target, nil)
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		cookie = w.Result().Cookies()[0]
		switch left := time.Until(cookie.Expires); {
		case cookie.Expires.IsZero():
			fmt.Println(target, w.Code, "until the browser is closed")
		case left > 0:
			fmt.Println(target, w.Code, left.Round(time.Hour))
		default:
			fmt.Println(target, w.Code, "deleted")
		}
	}
	post("/login?user=bob&remember=yes")
	post("/login?user=bob")
	post("/logout")
	// Output:
	// /login?user=bob&remember=yes 200 720h0m0s
	// /login?user=bob 200 until the browser is closed
	// /logout 200 deleted
}
