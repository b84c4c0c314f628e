package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-go/session"
)

// login gives the session a user of the name that the visitor says, and a new
// token, which makes the old one worthless. The name is the user, whose devices
// the account page lists: a real shop asks for a password.
func login(w http.ResponseWriter, r *http.Request) error {
	name, remember, err := readLogin(w, r)
	if err != nil {
		return err
	}
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	var stay session.Stay
	if remember {
		stay = session.Stay{Persistent: true, Lifetime: rememberFor, Idle: rememberFor / 2}
	}
	s.SetUser(name)
	s.Remember(stay)
	browser.Set(s, browserName(r.UserAgent()))
	user.Update(s, func(u *User) error {
		if u.Name == "" {
			*u = newUser(name)
		}
		u.Name = name
		return nil
	})
	if isForm(r) {
		// The page says so there if the browser did not keep the cookie.
		http.Redirect(w, r, "/?after=login", http.StatusSeeOther)
		return nil
	}
	reply(w, http.StatusOK, struct {
		Name string `json:"name"`
	}{name})
	return nil
}

// stepUpAfter is how long after the login the shop sells, and logs out other
// devices, without asking again who it is.
const stepUpAfter = 5 * time.Minute

// recent returns a handler that runs next only after a login of the last minutes. A
// browser is shown a form that asks for the name again, and leads back to a page; a
// program gets the error, and logs in. A stolen token does not get past it either, for
// Renew and Rotate leave LoggedIn as it is.
func recent(back string, next action) action {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := session.From(r.Context())
		if err != nil {
			return err
		}
		switch {
		case s.User() == "":
			return notLoggedIn
		case time.Since(s.LoggedIn()) <= stepUpAfter:
			return next(w, r)
		case !strings.Contains(r.Header.Get("Accept"), "text/html"):
			return whoAgain
		}
		w.Header().Set("Cache-Control", "no-store")
		render(w, "again.html", whoAgain.Status, struct {
			*refusal
			Then string
		}{whoAgain, back})
		return nil
	}
}

// loginAgain logs the user of the session in once more, at a later time.
func loginAgain(w http.ResponseWriter, r *http.Request) error {
	name, _, err := readLogin(w, r)
	if err != nil {
		return err
	}
	s, err := session.From(r.Context())
	switch {
	case err != nil:
		return err
	case s.User() == "":
		return notLoggedIn
	case name != s.User():
		return &refusal{http.StatusForbidden, "That is not the name", "Another one is logged in on this device."}
	}
	s.SetUser(name)
	then := "/"
	if r.PostForm.Get("then") == "/account" {
		then = "/account" // and nowhere else, or a form of another site's making could choose
	}
	http.Redirect(w, r, then, http.StatusSeeOther)
	return nil
}

var (
	notLoggedIn = &refusal{http.StatusForbidden, "You are not logged in", "Log in with a name first."}
	whoAgain    = &refusal{http.StatusForbidden, "Who are you?", "You have logged in a while ago. Log in again to go on."}
)

// logout ends the session in the store, not only in the browser, also where the session
// could not be loaded. Where the store does not answer the logout waits, and the page
// does not say that it is done.
func logout(w http.ResponseWriter, r *http.Request) error {
	s, _ := session.From(r.Context())
	durability, err := s.Destroy(r.Context())
	if err != nil {
		return err
	}
	waits := durability == session.Pending
	switch {
	case isForm(r) && waits:
		http.Redirect(w, r, "/?after=logout-that-waits", http.StatusSeeOther)
	case isForm(r):
		http.Redirect(w, r, "/?after=logout", http.StatusSeeOther)
	case waits:
		reply(w, http.StatusAccepted, waiting{logoutWaits})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// waiting is what a program is told of an end that waits for the store.
type waiting struct {
	Waits string `json:"waits"`
}

const logoutWaits = "The store did not answer, so the session could not be ended there at once; " +
	"the shop ends it as soon as the store is back."

const maxName = 40 // runes

// rememberFor is how long a customer who asks for it stays logged in.
const rememberFor = 30 * 24 * time.Hour

// readLogin returns the name that a visitor logs in with, and whether to remember it.
func readLogin(w http.ResponseWriter, r *http.Request) (user string, remember bool, err error) {
	var in struct {
		Name     string `json:"name"`
		Remember bool   `json:"remember"`
	}
	if isForm(r) {
		if err := readForm(w, r); err != nil {
			return "", false, err
		}
		in.Name = r.PostForm.Get("name")
		in.Remember = r.PostForm.Get("remember") != ""
	} else {
		object, err := readObject(w, r)
		if err != nil {
			return "", false, err
		}
		if err := json.Unmarshal(object, &in); err != nil {
			return "", false, badName
		}
	}
	name := strings.TrimSpace(in.Name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", false, badName
	}
	return name, in.Remember, nil
}

var badName = &refusal{http.StatusBadRequest, "What is your name?", "A name has 1 to 40 characters, all in one line."}
