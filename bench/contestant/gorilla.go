package contestant

import (
	"bytes"
	"net/http"

	"github.com/boj/redistore"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

var gorillaKey = bytes.Repeat([]byte("k"), 32)

func gorillaRedis(stores Stores) (library, error) {
	// As many idle connections as there are requests at once, so that it never
	// has to connect, and room for the usual session: its default is 4096 bytes.
	store, err := redistore.NewRediStore(100, "tcp", stores.Redis, "", "", gorillaKey)
	if err != nil {
		return library{}, err
	}
	store.SetMaxLength(1 << 20)
	return onGorilla(store), nil
}

// gorillaCookie lifts the limit of 4096 bytes, at which the store refuses the
// usual session and a browser its cookie: it is here for what it costs.
func gorillaCookie(Stores) (library, error) {
	store := sessions.NewCookieStore(gorillaKey, gorillaKey)
	for _, c := range store.Codecs {
		c.(*securecookie.SecureCookie).MaxLength(0)
	}
	return onGorilla(store), nil
}

func onGorilla(store sessions.Store) library {
	return library{
		login: func(w http.ResponseWriter, r *http.Request, c Content) error {
			s, err := store.New(r, "session")
			if err != nil {
				return err
			}
			s.Values["name"] = c.Name
			s.Values["email"] = c.Email
			s.Values["visits"] = c.Visits
			s.Values["cart"] = c.Cart
			for _, item := range c.Items {
				s.Values[item.Key] = item.Value
			}
			return s.Save(r, w)
		},
		name: func(_ http.ResponseWriter, r *http.Request) (string, error) {
			s, err := store.Get(r, "session")
			if err != nil {
				return "", err
			}
			name, _ := s.Values["name"].(string)
			return name, nil
		},
		turn: func(w http.ResponseWriter, r *http.Request) ([]string, error) {
			s, err := store.Get(r, "session")
			if err != nil {
				return nil, err
			}
			cart, _ := s.Values["cart"].([]string)
			cart = turned(cart)
			s.Values["cart"] = cart
			return cart, s.Save(r, w)
		},
	}
}
