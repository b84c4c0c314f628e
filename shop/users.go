package main

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-go/session"
)

// usersPages are the administrator's page: where a user is logged in, and a button that ends
// all of it. They are only for a person at this machine, even with -public-buttons, because
// other visitors may not see the sessions of a user.
type usersPages struct{ buttons }

func (u usersPages) serve(mux *http.ServeMux) {
	mux.Handle("GET /users", u.guard(u.show))
	mux.Handle("POST /users/end", u.guard(u.end))
}

func (u usersPages) guard(next action) http.Handler {
	return action(func(w http.ResponseWriter, r *http.Request) error {
		err := error(notForYou)
		if fromHere(r) {
			err = next(w, r)
		}
		if err != nil {
			u.answerError(w, r, err) // and not session.Error: the page asks for no session
		}
		return nil
	})
}

var notForYou = &refusal{http.StatusForbidden, "Not from here", "Only who sits at the shop’s machine sees users."}

func (u usersPages) show(w http.ResponseWriter, r *http.Request) error {
	shown := devicesPage{Administrator: true, User: strings.TrimSpace(r.URL.Query().Get("user"))}
	if r.URL.Query().Has("ended") {
		shown.Message = "All sessions of " + shown.User + " have ended."
	}
	status := http.StatusOK
	if r.URL.Query().Has("waits") {
		shown.Message = "All sessions of " + shown.User + " end as soon as the store is back."
	}
	if shown.User != "" {
		views, err := u.sessions.Sessions(r.Context(), shown.User)
		if err != nil {
			shown.Away, status = true, session.Status(err)
			w.Header().Set("Retry-After", "5")
		}
		shown.Devices = newDevices(views)
		for i := range shown.Devices {
			shown.Devices[i].Current = false // the administrator must not take it for the user's
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	render(w, "users.html", status, shown)
	return nil
}

// end ends all sessions of a user, listed or not. Without a backup those that are listed.
func (u usersPages) end(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	name := strings.TrimSpace(r.PostForm.Get("user"))
	if name == "" || len(name) > 255 {
		return badName
	}
	waits, err := u.sessions.RevokeUser(r.Context(), name)
	if errors.Is(err, errors.ErrUnsupported) {
		waits, err = session.Durable, accountPages{u.sessions}.endListed(r.Context(), name)
	}
	if err != nil {
		return err
	}
	done := "ended"
	if waits == session.Pending {
		done = "waits"
	}
	http.Redirect(w, r, "/users?"+url.Values{"user": {name}, done: {""}}.Encode(), http.StatusSeeOther)
	return nil
}
