package main

import (
	"errors"
	"net/http"

	"github.com/holdfast-go/session"
)

// User is who visits.
type User struct {
	Name    string  `json:"name"`
	Profile Profile `json:"profile"`
}

// showUser makes the user up where the session has none.
func showUser(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	u, err := user.Get(s)
	if errors.Is(err, session.ErrNoValue) {
		u = newUser(randomName())
		user.Set(s, u)
		err = s.Err()
	}
	if err != nil {
		session.Error(w, r, err)
		return
	}
	replyUser(w, r, s, u)
}

// readUser is showUser for a session that nothing may change.
func readUser(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	u, err := user.Get(s)
	if errors.Is(err, session.ErrNoValue) {
		err = &refusal{http.StatusNotFound, "Nobody here", "This session has no user. GET /user makes one."}
	}
	if err != nil {
		session.Error(w, r, err)
		return
	}
	replyUser(w, r, s, u)
}

func replyUser(w http.ResponseWriter, r *http.Request, s *session.Session, u User) {
	food, err := cart.Get(s)
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		session.Error(w, r, err) // it did not fit the backup
		return
	}
	reply(w, http.StatusOK, struct {
		User
		Food Cart `json:"food"`
	}{u, food})
}
