package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/holdfast-go/session"
)

// refusal is a request that the shop does not carry out, and why, in words for
// the visitor.
type refusal struct {
	Status      int
	Title, Text string
}

// problem is what its page shows.
type problem struct {
	*refusal
	Live *view // nil: the store has nothing to do with it
}

func (no *refusal) Error() string { return "shop: " + no.Title }

// answerError is the Options.Error of the shop's sessions, and so the one
// place where errors become answers: a page for browsers, JSON for programs.
func answerError(w http.ResponseWriter, r *http.Request, err error) { answerWith(nil, w, r, err) }

// answerError is the same with the panel on the page, from which the store can
// be brought back.
func (p *panel) answerError(w http.ResponseWriter, r *http.Request, err error) {
	answerWith(p, w, r, err)
}

func answerWith(p *panel, w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	switch {
	case errors.As(err, &no):
	case errors.Is(err, session.ErrNoSession):
		no = &refusal{http.StatusForbidden, "You are not logged in",
			"You have no session, or it has ended. Log in to go on."}
	case errors.Is(err, session.ErrEnded):
		w.Header().Set("Retry-After", "1")
		no = &refusal{http.StatusServiceUnavailable, "Your session has just ended",
			"A logout or a login happened at the same moment. Try again."}
	case errors.Is(err, session.ErrLost):
		no = &refusal{http.StatusConflict, "A part of your session is lost",
			"It was too large for the backup, and the store has lost it. Empty your cart to begin anew."}
	case errors.Is(err, session.ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		no = &refusal{http.StatusServiceUnavailable, "The store does not answer",
			"Your session is safe. Nothing was deleted, and you are not logged out. Try again in a moment."}
	default:
		no = &refusal{http.StatusInternalServerError, "This did not work", "The shop could not use your session."}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		shown := problem{refusal: no}
		if p != nil && no.Status == http.StatusServiceUnavailable {
			v := p.view(buttons{p}.allowed(r))
			shown.Live = &v
		}
		render(w, "problem.html", no.Status, shown)
		return
	}
	title := no.Title
	if !strings.HasSuffix(title, "?") {
		title += "."
	}
	reply(w, no.Status, struct {
		Error string `json:"error"`
	}{title + " " + no.Text})
}
