package contestant

import (
	"fmt"
	"net/http"
	"strings"
)

// bare has no sessions: every visitor is the same, and nothing is kept. Its
// requests are as long as those of Holdfast's visitors.
func bare(Stores) (library, error) {
	c := Usual.New()
	cart := turned(c.Cart)
	return library{
		login: func(w http.ResponseWriter, _ *http.Request, _ Content) error {
			http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: strings.Repeat("t", 43)})
			return nil
		},
		name: func(http.ResponseWriter, *http.Request) (string, error) { return c.Name, nil },
		turn: func(http.ResponseWriter, *http.Request) ([]string, error) { return cart, nil },
	}, nil
}

// bareCookies is bare for visitors whose requests are as long as those with a
// backup: what the cookies cost the network and net/http, whatever is in them.
func bareCookies(stores Stores) (library, error) {
	l, err := bare(stores)
	login := l.login
	l.login = func(w http.ResponseWriter, r *http.Request, c Content) error {
		for i := range 2 {
			http.SetCookie(w, &http.Cookie{Name: fmt.Sprintf("__Host-session-b%d", i), Value: strings.Repeat("c", 3620)})
		}
		return login(w, r, c)
	}
	return l, err
}
