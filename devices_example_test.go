package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// The page "your devices". A visitor may end the sessions of the same user, and no others: the
// ID in a form is the visitor's to choose.
func ExampleManager_Sessions() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	browser := session.NewKey[string]("browser")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		browser.Set(s, "Firefox") // of the User-Agent
		fmt.Fprintln(w, "welcome")
	})
	mux.Handle("GET /account/devices", sessions.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		all, err := sessions.Sessions(r.Context(), s.User())
		if err != nil {
			w.Header().Set("Warning", `199 - "the list may be incomplete"`) // the store is away
		}
		type device struct {
			Browser string `json:"browser"`
			Current bool   `json:"current"`
			New     bool   `json:"new"` // since the last hour
		}
		var list []device
		for _, v := range all {
			name := "unknown"
			if !v.Incomplete {
				name, _ = browser.In(&v)
			}
			list = append(list, device{name, v.Current, time.Since(v.LoggedIn) < time.Hour})
		}
		_ = json.NewEncoder(w).Encode(list)
	}))
	mux.Handle("POST /account/devices/end", sessions.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		other, err := sessions.Open(r.Context(), session.ID(r.FormValue("id")))
		switch {
		case errors.Is(err, session.ErrNoSession):
			fmt.Fprintln(w, "ended already")
		case err != nil:
			session.Error(w, r, err)
		case other.User != s.User():
			http.Error(w, "no device of yours", http.StatusForbidden)
		default:
			if _, err := sessions.Revoke(r.Context(), other.ID); err != nil {
				session.Error(w, r, err)
			}
		}
	}))
	browse(sessions.Handler(mux), "POST /login", "GET /account/devices", "POST /account/devices/end?id=0123456789abcdef0123456789abcdef")
	// Output:
	// POST /login: 200 welcome
	// GET /account/devices: 200 [{"browser":"Firefox","current":true,"new":true}]
	// POST /account/devices/end?id=0123456789abcdef0123456789abcdef: 200 ended already
}

// An administrator looks at a session whose ID stands in a log. Values are read by their keys.
func ExampleManager_Open() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	items := session.NewKey[[]string]("items")
	var logged session.ID
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		fmt.Fprintln(w, "welcome")
		items.Set(s, []string{"tofu"})
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		logged = s.ID()
		fmt.Fprintln(w, "hello")
	})
	mux.HandleFunc("GET /admin", func(w http.ResponseWriter, r *http.Request) {
		v, err := sessions.Open(r.Context(), logged)
		if err != nil {
			session.Error(w, r, err)
			return
		}
		cart, _ := items.In(v)
		fmt.Fprintln(w, v.User, v.Names(), cart, v.Renewed.Equal(v.Began), v.Expires.Sub(v.Seen))
	})
	browse(sessions.Handler(mux), "POST /login", "GET /", "GET /admin")
	// Output:
	// POST /login: 200 welcome
	// GET /: 200 hello
	// GET /admin: 200 ann [items] [tofu] true 30m0s
}

// One device at a time: a user who is logged in elsewhere gets an error, instead of being
// logged out there. Without Refuse the other session would end.
func ExamplePerUser() {
	sessions, err := session.New(memstore.New(nil), &session.Options{
		PerUser: session.PerUser{Most: 1, Refuse: true},
		Error: func(w http.ResponseWriter, _ *http.Request, err error) {
			text := "try again"
			if errors.Is(err, session.ErrTooManySessions) {
				text = "log out on your other device first"
			}
			http.Error(w, text, session.Status(err))
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		fmt.Fprintln(w, "welcome")
	})
	browse(sessions.Handler(mux), "POST /login", "POST /login") // the same session logs in again
	browse(sessions.Handler(mux), "POST /login")                // another browser
	// Output:
	// POST /login: 200 welcome
	// POST /login: 200 welcome
	// POST /login: 409 log out on your other device first
}
