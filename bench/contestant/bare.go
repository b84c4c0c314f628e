package contestant

import (
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
// backup, whose usual session makes a Cookie line of 1,535 bytes: what the cookies
// cost the network and net/http, whatever is in them.
func bareCookies(stores Stores) (library, error) {
	l, err := bare(stores)
	login := l.login
	l.login = func(w http.ResponseWriter, r *http.Request, c Content) error {
		http.SetCookie(w, &http.Cookie{Name: "__Host-session-b0", Value: strings.Repeat("c", 1447)})
		return login(w, r, c)
	}
	return l, err
}
