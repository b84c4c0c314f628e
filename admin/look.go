package admin

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// self returns the status of this instance.
func (h *Handler) self() Instance {
	i := Instance{
		Name: h.options.Name, ID: h.id, Started: h.started.UTC(), Written: time.Now().UTC(),
		Every: h.options.Every, Stats: h.sessions.Stats(),
	}
	if h.options.Order != nil {
		i.Order = newOrder(h.options.Order())
	}
	return i
}

func (h *Handler) showStatus(w http.ResponseWriter, _ *http.Request, by operator) error {
	self := h.self()
	self.Self = true
	s := Status{
		By: by.name, MayAct: by.may == MayAct && !h.options.ReadOnly, Events: h.options.Events != nil,
		Orders: h.options.Orders != nil,
		Now:    self.Written, Instances: []Instance{self},
	}
	if h.board != nil {
		others := h.board.others()
		s.Instances = append(s.Instances, others.instances...)
		s.Read, s.Problem = others.read, others.problem
	}
	slices.SortFunc(s.Instances[1:], func(a, b Instance) int { return strings.Compare(a.Name, b.Name) })
	reply(w, http.StatusOK, s)
	return nil
}

func (h *Handler) showSessions(w http.ResponseWriter, r *http.Request, _ operator) error {
	user, err := given(r.URL.Query().Get("user"), "user")
	if err != nil {
		return err
	}
	views, err := h.sessions.Sessions(r.Context(), user)
	if err != nil && !errors.Is(err, session.ErrUnavailable) {
		return err
	}
	found := Sessions{Sessions: []Session{}}
	if err != nil {
		found.Problem = err.Error()
	}
	for i := range views {
		found.Sessions = append(found.Sessions, show(&views[i], h.options.Values))
	}
	reply(w, http.StatusOK, found)
	return nil
}

func (h *Handler) showSession(w http.ResponseWriter, r *http.Request, _ operator) error {
	id, err := given(r.URL.Query().Get("id"), "id")
	if err != nil {
		return err
	}
	v, err := h.sessions.Open(r.Context(), session.ID(id))
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, show(v, h.options.Values))
	return nil
}
