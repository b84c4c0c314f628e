package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/holdfast-go/session"
)

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// render answers with a page, whole or not at all.
func render(w http.ResponseWriter, name string, code int, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		panic(err) // a mistake in the template
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	w.Write(b.Bytes())
}

// page is what the page shows.
type page struct {
	User     string // empty: there is none
	LoggedIn bool   // as a user, and not only called by a name
	Message  string
	Menu     foods
	Cart     cartView
	Without  string       // why there is no cart to show
	Session  *sessionInfo // nil: there is none
	Live     view
}

// showPage only reads the session, unless a message waits to be shown once: then it
// writes, to take the message away.
func (p *panel) showPage(w http.ResponseWriter, r *http.Request) error {
	its, u, err := sessionUser(r)
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		return err
	}
	shown := page{User: u.Name, LoggedIn: its.User() != "", Menu: menu, Session: newSessionInfo(its), Live: p.view(buttons{p}.allowed(r))}
	c, err := cart.Get(its)
	switch {
	case errors.Is(err, session.ErrUnavailable):
		shown.Without = "It is too large for your browser’s cookies, and the store does not answer. It is safe there."
	case errors.Is(err, session.ErrLost):
		shown.Without = "It was too large for your browser’s cookies, and the store has lost it. Empty it to begin anew."
	case err != nil && !errors.Is(err, session.ErrNoValue):
		return err
	}
	shown.Cart = newCartView(c)
	if r.Method != http.MethodHead {
		shown.Message, _ = flash.Take(its)
	}
	if shown.Message == "" {
		shown.Message = afterwards(r.URL.Query().Get("after"), shown.User != "")
	}
	w.Header().Set("Cache-Control", "no-store")
	render(w, "page.html", http.StatusOK, shown)
	return nil
}

// showSession answers with the part of the page that describes the session, for a page
// that has seen the store go or come back. It takes no message away.
func showSession(w http.ResponseWriter, r *http.Request) error {
	its, err := session.From(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	render(w, "session", http.StatusOK, newSessionInfo(its))
	return nil
}

// afterwards returns what the page says after a login or a logout. The session does not
// hold it, because after a logout there is none.
func afterwards(what string, loggedIn bool) string {
	switch {
	case what == "login" && !loggedIn:
		return "You are not logged in. If you just tried to, your browser did not keep the cookie: it wants https. " +
			"Start the shop with -insecure."
	case what == "logout" && !loggedIn:
		return "You are logged out. The session has ended in the store too, not only in this browser."
	case what == "logout-that-waits" && !loggedIn:
		return "You are logged out in this browser. " + logoutWaits
	}
	return ""
}
