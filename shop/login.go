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
// token: whoever knows the old one has nothing.
func login(w http.ResponseWriter, r *http.Request) {
	name, err := readName(w, r)
	if err != nil {
		session.Error(w, r, err)
		return
	}
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
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
		return
	}
	reply(w, http.StatusOK, struct {
		Name string `json:"name"`
	}{name})
}

// logout ends the session in the store, not only in the browser. It does not
// matter to it whether the session could be loaded.
func logout(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context())
	if _, err := s.Destroy(r.Context()); err != nil {
		session.Error(w, r, err)
		return
	}
	if isForm(r) {
		http.Redirect(w, r, "/?after=logout", http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

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
