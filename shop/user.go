package main

import (
	"errors"
	"net/http"

	"github.com/holdfast-go/session"
)

// User is a visitor's profile.
type User struct {
	Name    string  `json:"name"`
	Profile Profile `json:"profile"`
}

// sessionUser returns the session and its user. Where the session has none the error
// is session.ErrNoValue.
func sessionUser(r *http.Request) (*session.Session, User, error) {
	s, err := session.From(r.Context())
	if err != nil {
		return nil, User{}, err
	}
	u, err := user.Get(s)
	return s, u, err
}

// showUser makes the user up where the session has none.
func showUser(w http.ResponseWriter, r *http.Request) error {
	s, u, err := sessionUser(r)
	if errors.Is(err, session.ErrNoValue) {
		u = newUser(randomName())
		user.Set(s, u)
		err = s.Err()
	}
	return replyUser(w, s, u, err)
}

// readUser is showUser for a session that nothing may change.
func readUser(w http.ResponseWriter, r *http.Request) error {
	s, u, err := sessionUser(r)
	if errors.Is(err, session.ErrNoValue) {
		err = &refusal{http.StatusNotFound, "Nobody here", "This session has no user. GET /user makes one."}
	}
	return replyUser(w, s, u, err)
}

// replyUser writes the user, unless there was an error before.
func replyUser(w http.ResponseWriter, s *session.Session, u User, err error) error {
	if err != nil {
		return err
	}
	food, err := cart.Get(s)
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		return err // it did not fit the backup
	}
	reply(w, http.StatusOK, struct {
		User
		Food Cart `json:"food"`
	}{u, food})
	return nil
}
