package peer

import (
	"bytes"
	"net/http"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
)

var gorillaKey = bytes.Repeat([]byte("k"), 32)

func gorillaRedis(servers Servers, gates *gates) (served, error) {
	store, err := redistore.NewRediStore(10, "tcp", servers.Redis, "", "", gorillaKey)
	if err != nil {
		return served{}, err
	}
	return onGorilla(store, gates), nil
}

func gorillaCookie(_ Servers, gates *gates) (served, error) {
	return onGorilla(sessions.NewCookieStore(gorillaKey), gates), nil
}

// onGorilla does what the README of gorilla/sessions does: it ignores the error of Get,
// which always returns a session, and answers that of Save.
func onGorilla(store sessions.Store, gates *gates) served {
	get := func(r *http.Request) (*sessions.Session, Visit) {
		s, _ := store.Get(r, "session-name")
		user, _ := s.Values["user"].(string)
		cart, _ := s.Values["cart"].([]string)
		return s, Visit{user, cart}
	}
	return serve(library{
		login: func(w http.ResponseWriter, r *http.Request, user string) error {
			s, _ := get(r)
			s.Values["user"] = user
			return s.Save(r, w)
		},
		read: func(_ http.ResponseWriter, r *http.Request) (Visit, error) {
			_, v := get(r)
			return v, nil
		},
		add: func(w http.ResponseWriter, r *http.Request, thing string, hold func()) (Visit, error) {
			s, v := get(r)
			hold()
			v.Cart = append(v.Cart, thing)
			s.Values["cart"] = v.Cart
			return v, s.Save(r, w)
		},
		logout: func(w http.ResponseWriter, r *http.Request) error {
			s, _ := get(r)
			s.Options.MaxAge = -1
			return s.Save(r, w)
		},
	}, gates)
}
