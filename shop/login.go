package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-go/session"
)

// login gives the session a user of the name that the visitor says, and a new
// token, which makes the old one worthless.
func login(w http.ResponseWriter, r *http.Request) error {
	name, err := readName(w, r)
	if err != nil {
		return err
	}
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	s.Renew()
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
		reply(w, http.StatusAccepted, struct {
			Waits string `json:"waits"`
		}{logoutWaits})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

const logoutWaits = "The store did not answer, so the session could not be ended there at once; " +
	"the shop ends it as soon as the store is back."

const maxName = 40 // runes

func readName(w http.ResponseWriter, r *http.Request) (string, error) {
	var in struct {
		Name string `json:"name"`
	}
	if isForm(r) {
		if err := readForm(w, r); err != nil {
			return "", err
		}
		in.Name = r.PostForm.Get("name")
	} else {
		object, err := readObject(w, r)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(object, &in); err != nil {
			return "", badName
		}
	}
	name := strings.TrimSpace(in.Name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", badName
	}
	return name, nil
}

var badName = &refusal{http.StatusBadRequest, "What is your name?", "A name has 1 to 40 characters, all in one line."}
