package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/holdfast-go/session"
)

// accountPages are where visitors see on which devices they are logged in, and log out
// those that they do not know.
type accountPages struct{ sessions *session.Manager }

func (a accountPages) serve(mux *http.ServeMux) {
	mux.Handle("GET /account", a.sessions.Require(action(a.show)))
	mux.Handle("GET /account/devices", a.sessions.Require(a.sessions.ReadOnly(action(a.list))))
	mux.Handle("POST /account/devices/end", a.sessions.Require(recent("/account", a.end)))
	mux.Handle("POST /account/devices/end-others", a.sessions.Require(recent("/account", a.endOthers)))
}

// devices returns those of the visitor, and the status of the answer: while the store is
// away that is 503, and the device that is used is shown all the same.
func (a accountPages) devices(w http.ResponseWriter, r *http.Request) ([]device, int, error) {
	s, err := session.From(r.Context())
	if err != nil {
		return nil, 0, err
	}
	if s.User() == "" {
		return nil, 0, notLoggedIn
	}
	views, err := a.sessions.Sessions(r.Context(), s.User())
	if err == nil {
		return newDevices(views), http.StatusOK, nil
	}
	w.Header().Set("Retry-After", "5")
	return newDevices(views), session.Status(err), nil
}

func (a accountPages) list(w http.ResponseWriter, r *http.Request) error {
	all, status, err := a.devices(w, r)
	if err == nil {
		reply(w, status, all)
	}
	return err
}

func (a accountPages) show(w http.ResponseWriter, r *http.Request) error {
	all, status, err := a.devices(w, r)
	if err != nil {
		return err
	}
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	shown := devicesPage{User: s.User(), Devices: all, Away: status != http.StatusOK}
	switch {
	case r.URL.Query().Has("waits"):
		shown.Message = othersWait
	case !shown.Away:
		shown.Message, _ = flash.Take(s)
	}
	w.Header().Set("Cache-Control", "no-store")
	render(w, "account.html", status, shown)
	return nil
}

// devicesPage is what the pages of a user's devices show.
type devicesPage struct {
	User    string
	Message string
	Devices []device
	Away    bool // the store is, so there may be more of them

	Administrator bool // looks, whose own device none of them is
}

// CanEnd reports whether a button ends a device alone.
func (p devicesPage) CanEnd(d device) bool { return !d.Current && !p.Away && !p.Administrator }

// end logs out one device of the same user. The ID is the visitor's to choose, so what
// it names is looked at first.
func (a accountPages) end(w http.ResponseWriter, r *http.Request) error {
	id, err := readID(w, r)
	if err != nil {
		return err
	}
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	if id == s.ID() {
		return logout(w, r)
	}
	message, how := "The device is logged out.", session.Durable
	switch other, err := a.sessions.Open(r.Context(), id); {
	case errors.Is(err, session.ErrNoSession) && isForm(r):
		message = "The device was logged out already."
	case errors.Is(err, session.ErrNoSession):
		return &refusal{http.StatusNotFound, "No such device", "It was logged out already, or never was one."}
	case errors.Is(err, session.ErrUnavailable):
		return err
	case err != nil:
		return badID
	case other.User != s.User():
		return &refusal{http.StatusForbidden, "Not your device", "Only devices that you are logged in on can be logged out here."}
	default:
		if how, err = a.sessions.Revoke(r.Context(), id); err != nil {
			return err
		}
		if how == session.Pending { // the store answers reads, and refuses writes
			message = "The device is logged out as soon as the store takes it."
		}
	}
	return a.done(w, r, s, how, message)
}

// endOthers logs out all devices but the one that is used.
func (a accountPages) endOthers(w http.ResponseWriter, r *http.Request) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	how, err := s.RevokeOthers(r.Context())
	if errors.Is(err, errors.ErrUnsupported) {
		how, err = session.Durable, a.endListed(r.Context(), s.User())
	}
	if err != nil {
		return err
	}
	switch {
	case how == session.Durable:
		return a.done(w, r, s, how, "Your other devices are logged out.")
	case isForm(r):
		http.Redirect(w, r, "/account?waits", http.StatusSeeOther) // no message of this kind is worth a write while the store is away
		return nil
	}
	return a.done(w, r, s, how, othersWait)
}

const othersWait = "Your other devices are logged out as soon as the store is back."

// endListed is endOthers for a shop without a backup, in which no session can be ended that
// the list lacks.
func (a accountPages) endListed(ctx context.Context, user string) error {
	views, err := a.sessions.Sessions(ctx, user)
	for _, v := range views {
		if v.Current {
			continue
		}
		_, errOne := a.sessions.Revoke(ctx, v.ID)
		err = errors.Join(err, errOne)
	}
	return err
}

// done answers that devices are logged out, or will be: a browser by a message, and a program as a
// logout does.
func (a accountPages) done(w http.ResponseWriter, r *http.Request, s *session.Session, how session.Durability, message string) error {
	switch {
	case isForm(r):
		flash.Set(s, message)
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	case how == session.Pending:
		reply(w, http.StatusAccepted, waiting{message})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

var badID = &refusal{http.StatusBadRequest, "Not understood", "The body must name a device by its id."}

// readID returns which session a form or a JSON object names.
func readID(w http.ResponseWriter, r *http.Request) (session.ID, error) {
	var in struct {
		ID session.ID `json:"id"`
	}
	if isForm(r) {
		if err := readForm(w, r); err != nil {
			return "", err
		}
		in.ID = session.ID(r.PostForm.Get("id"))
	} else {
		object, err := readObject(w, r)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(object, &in); err != nil {
			return "", badID
		}
	}
	if in.ID == "" {
		return "", badID
	}
	return in.ID, nil
}
