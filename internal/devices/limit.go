package devices

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// Limit is how many sessions a user may have.
type Limit struct {
	Most   int  // 0: any number
	Refuse bool // a login beyond the limit is refused; else the session that was seen longest ago ends
}

// ErrTooManySessions is the error of a login that a Limit refuses.
var ErrTooManySessions = failure.New(http.StatusConflict, "session: the user has too many sessions")

// placeLife is how long a reservation lasts whose login neither succeeded nor failed, because
// the process ended for example.
const placeLife = 30 * time.Second

// Place is a reservation in a user's list. The zero Place is none.
type Place struct{ user, name string }

type aloneKey struct{}

// Alone returns a context for saving a session after which the user's other sessions end: the
// Limit refuses it nothing, even if the session logs in by the same save.
func Alone(ctx context.Context) context.Context { return context.WithValue(ctx, aloneKey{}, true) }

// Reserve takes a place in a user's list where changes of a session are a login and the Limit
// refuses; else it returns the zero Place. Moved must follow, whatever becomes of the login.
// Reserve fails with ErrTooManySessions where the user has as many sessions as the limit
// allows besides this one, and replaced, which ends when the login is saved; "": none does. A
// login that only counts from a later clock value on, since the others of the user are revoked,
// is no new login. The place is taken before the session is saved, so that of logins at once no
// more succeed than there are places.
//
// Where the store does not answer, there is no limit: a login does not depend on a list.
func (x *Index) Reserve(ctx context.Context, session state.Copy, replaced string, changes state.Changes) (Place, error) {
	if x.limit.Most == 0 || !x.limit.Refuse || !changes.Sets(state.LoginEntry) {
		return Place{}, nil
	}
	value, _ := state.Lookup(session.State, changes, state.LoginEntry)
	login, _ := state.ReadLogin(value)
	if last, _ := session.State.Login(); last.Same(login) || ctx.Value(aloneKey{}) != nil {
		return Place{}, nil
	}
	p := Place{login.User, loginPlaces(login, x.clock.Instance) + rand.Text()}
	err := x.claim(context.WithoutCancel(ctx), p, lastPlaces(session.State), session.ID, replaced)
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, ErrTooManySessions):
		x.reader.Audit.Refuse(ctx, session.ID, login)
		return Place{}, err
	case errors.Is(err, errContested):
		return Place{}, errors.Join(failure.ErrUnavailable, err)
	}
	return Place{}, nil
}

// claim enters a place, if there is one besides those of the sessions that are not its own. The
// session itself may have places in the list: last, one of its last login, where the list was not
// saved since, and one of this login, where an attempt has failed and runs again.
func (x *Index) claim(ctx context.Context, p Place, last string, own ...string) error {
	return x.swap(ctx, p.user, func(l List, now time.Time, d state.Dot) (List, error) {
		t := now.UnixMilli()
		l = l.without(last).without(p.name[:len(last)]).Tidy(t)
		ids := own
		if l.Claimed(t, ids) >= x.limit.Most {
			l, _ = x.withoutEnded(ctx, p.user, l, d)
			ids = x.withRotated(ctx, own)
		}
		if l.Claimed(t, ids) >= x.limit.Most {
			return l, ErrTooManySessions
		}
		return l.Put(Row{Session: p.name, Began: t, Renewed: t, Seen: t, Ends: now.Add(placeLife).UnixMilli()}, d), nil
	})
}

// withRotated returns the IDs of sessions, and those that rotations have given them since.
func (x *Index) withRotated(ctx context.Context, ids []string) (all []string) {
	for _, id := range ids {
		for range lookup.MaxRotations {
			all = append(all, id)
			if id == "" {
				break
			}
			d := x.reader.Fetch(ctx, id, lookup.Known{}, true).State.Death
			if d.Reason != state.Rotated || d.Link == "" {
				break
			}
			id = d.Link.Successor()
		}
	}
	return all
}

// loginPlaces returns how the names of the places of a login begin that an instance saves, of which
// a list has one at most. For a minute after a revocation the logins of its user have one clock
// value, so the time tells one from another.
func loginPlaces(l state.Login, instance uint32) string {
	return fmt.Sprintf("%s%016x%012x%08x.", reservation, l.Clock, l.At, instance)
}

// lastPlaces returns how the names of the places of the last login to a session begin.
func lastPlaces(st state.State) string {
	e, _ := st.Entries.Find(state.LoginEntry)
	login, _ := state.ReadLogin(e.Value)
	return loginPlaces(login, e.Dot.Instance)
}

// trim ends the sessions of a user beyond the limit, those seen longest ago first, and
// those that were just entered last. Sessions that have ended already do not count.
func (x *Index) trim(ctx context.Context, user string, l List, entered []change, d state.Dot) List {
	now := x.clock.Now().UnixMilli()
	if x.limit.Most == 0 || x.limit.Refuse || len(l.Rows(now)) <= x.limit.Most {
		return l
	}
	l, found := x.withoutEnded(ctx, user, l, d)
	slices.SortStableFunc(found, func(a, b Found) int {
		return compareBool(isEntered(b.ID, entered), isEntered(a.ID, entered))
	})
	for _, f := range found[min(len(found), x.limit.Most):] {
		t := journal.IfLive(f.ID, x.clock.Death(state.Revoked))
		if far, line, err := x.writer.End(ctx, &t, record.Any); err == nil {
			l = l.Remove(f.ID, d)
			x.reader.Audit.Exceeded(ctx, f.ID, user, line, far)
		}
	}
	return l
}

func isEntered(id string, by []change) bool {
	return slices.ContainsFunc(by, func(c change) bool { return c.row.Session == id })
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// withoutEnded returns l without the sessions that have ended, and the sessions that are
// left, those seen last first.
func (x *Index) withoutEnded(ctx context.Context, user string, l List, d state.Dot) (List, []Found) {
	found, ended, _ := x.read(ctx, user, l.Rows(x.clock.Now().UnixMilli()))
	for _, id := range ended {
		l = l.Remove(id, d)
	}
	return l, found
}
