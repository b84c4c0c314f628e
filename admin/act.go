package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
)

const (
	mostBody = 4 << 10
	mostWord = 255 // bytes of an ID or a user
)

// what is the body of an act on sessions: which of them it concerns. Each act
// takes one of the fields.
type what struct {
	ID     string    `json:"id,omitempty"`
	User   string    `json:"user,omitempty"`
	Before time.Time `json:"before,omitzero"`
}

func (h *Handler) end(w http.ResponseWriter, r *http.Request, by operator) error {
	asked, err := read[what](w, r)
	if err != nil {
		return err
	}
	if asked != (what{ID: asked.ID}) {
		return tooMuch
	}
	id, err := given(asked.ID, "id")
	if err != nil {
		return err
	}
	_, none := h.sessions.Open(r.Context(), session.ID(id))
	d, err := h.sessions.Revoke(r.Context(), session.ID(id)) // also where there is none: copies of it may be about
	return h.done(w, r, by, Ended{d.String(), errors.Is(none, session.ErrNoSession)}, err, slog.String("session", id))
}

func (h *Handler) endUser(w http.ResponseWriter, r *http.Request, by operator) error {
	asked, err := read[what](w, r)
	if err != nil {
		return err
	}
	if asked != (what{User: asked.User}) {
		return tooMuch
	}
	user, err := given(asked.User, "user")
	if err != nil {
		return err
	}
	d, err := h.sessions.RevokeUser(r.Context(), user)
	return h.done(w, r, by, Ended{Outcome: d.String()}, err, slog.String("user", user))
}

func (h *Handler) endBefore(w http.ResponseWriter, r *http.Request, by operator) error {
	asked, err := read[what](w, r)
	if err != nil {
		return err
	}
	if asked.ID != "" || asked.User != "" {
		return tooMuch
	}
	if asked.Before.IsZero() {
		return &refusal{http.StatusBadRequest, "no time before which sessions end; write {\"before\": \"2026-11-01T18:00:00Z\"}"}
	}
	d, err := h.sessions.RevokeBefore(r.Context(), asked.Before)
	return h.done(w, r, by, Ended{Outcome: d.String()}, err, slog.Time("before", asked.Before.UTC()))
}

// done logs an act, and answers.
func (h *Handler) done(w http.ResponseWriter, r *http.Request, by operator, e Ended, err error, whose ...slog.Attr) error {
	if err != nil {
		h.audit(r, by.name, "failed", err.Error(), whose...)
		return err
	}
	if e.Missing {
		whose = append(whose, slog.Bool("missing", true))
	}
	h.audit(r, by.name, e.Outcome, "", whose...)
	reply(w, http.StatusOK, e)
	return nil
}

// audit logs an act, also a refused one.
func (h *Handler) audit(r *http.Request, by, outcome, why string, more ...slog.Attr) {
	attrs := append([]slog.Attr{slog.String("by", by), slog.String("act", r.URL.Path)}, more...)
	attrs = append(attrs, slog.String("outcome", outcome))
	level := slog.LevelInfo
	if why != "" {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", why))
	}
	h.options.Log.LogAttrs(r.Context(), level, "session admin", attrs...)
}

var tooMuch = &refusal{http.StatusBadRequest, "a field that this act does not take"}

// read returns the body of an act.
func read[T any](w http.ResponseWriter, r *http.Request) (asked T, err error) {
	// A form of another site cannot have this type, in any browser.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return asked, &refusal{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody))
	d.DisallowUnknownFields()
	err = d.Decode(&asked)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return asked, &refusal{http.StatusRequestEntityTooLarge, "more than 4 KiB"}
	}
	if err != nil {
		return asked, &refusal{http.StatusBadRequest, fmt.Sprintf("not the JSON of an act: %v", err)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return asked, &refusal{http.StatusBadRequest, "something follows the JSON"}
	}
	return asked, nil
}

// given returns a field of a request, and an error where it is empty.
func given(word, name string) (string, error) {
	switch {
	case word == "":
		return "", &refusal{http.StatusBadRequest, "no " + name}
	case len(word) > mostWord:
		return "", &refusal{http.StatusBadRequest, fmt.Sprintf("the %s has %d bytes; at most %d make sense", name, len(word), mostWord)}
	}
	return word, nil
}
