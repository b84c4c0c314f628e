package devices

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// Found is a session of a user.
type Found struct {
	state.Copy
	Read bool // else the dates and the login are those of the list, and the values are not known
}

// readers bounds how many sessions of a list are read at once.
const readers = 8

// SessionsWith is Sessions with the session of a request, which current knows: where the list lacks
// it in front, unless it has ended meanwhile. It is as current says where it was not read.
func (x *Index) SessionsWith(ctx context.Context, user string, current state.Copy) ([]Found, error) {
	found, err := x.Sessions(ctx, user)
	login, _ := current.State.Login()
	listed := slices.ContainsFunc(found, func(f Found) bool { return f.ID == current.ID })
	if login.User == user && !listed && x.ended(ctx, current) {
		return found, err
	}
	return With(current, user, found), err
}

// ended reports whether a session is known to have ended. The zero Copy has.
func (x *Index) ended(ctx context.Context, c state.Copy) bool {
	if c.ID == "" {
		return true
	}
	if _, revoked := x.reader.Shards.LoginRevoked(c.State); revoked {
		return true
	}
	return x.reader.Fetch(ctx, c.ID, lookup.Known{}, true).Phase == lookup.Dead
}

// Sessions returns the live sessions of a user, those seen last first. The empty user has none.
// Beside an error, which wraps failure.ErrUnavailable, the sessions may not be all, or some are not
// Read. Sessions that have ended are removed from the list, in the background.
func (x *Index) Sessions(ctx context.Context, user string) ([]Found, error) {
	if user == "" {
		return nil, nil
	}
	l, v, err := x.load(ctx, user, true)
	if err == nil && v == record.Absent && x.reader.Backup && x.lists.Shards.Of(ID(user)).Quarantined() {
		err = failure.ErrForgetful
	}
	if err != nil {
		return nil, err
	}
	found, ended, err := x.read(ctx, user, l.Rows(x.clock.Now().UnixMilli()))
	for _, id := range ended {
		x.enter(user, change{removed: id})
	}
	return found, err
}

// With returns the sessions of a user with one that is known otherwise, by a request of it for
// example: where the list lacks it in front, and as it is known where it was not read. One of
// another user, or the zero Copy, changes nothing.
func With(known state.Copy, user string, found []Found) []Found {
	login, _ := known.State.Login()
	if known.ID == "" || login.User == "" || login.User != user {
		return found
	}
	at := slices.IndexFunc(found, func(f Found) bool { return f.ID == known.ID })
	switch {
	case at < 0:
		return slices.Insert(found, 0, Found{known, true})
	case !found[at].Read:
		found[at] = Found{known, true}
	}
	return found
}

// Renewed returns when a listed session of a user was last renewed, by the clock of the
// instance that did it; zero: there is none, or the list cannot be read.
func (x *Index) Renewed(ctx context.Context, user string) (last time.Time) {
	l, _, err := x.load(ctx, user, true)
	if err != nil {
		return time.Time{}
	}
	for _, r := range l.all() {
		if t := time.UnixMilli(r.Renewed); t.After(last) {
			last = t
		}
	}
	return last
}

// read reads the sessions of a list. It returns those that are live, or may be, seen last
// first, and the IDs of those that have ended. The error says why one was not read.
func (x *Index) read(ctx context.Context, user string, rows []Row) (found []Found, ended []string, err error) {
	all := make([]lookup.Loaded, len(rows))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, r := range rows {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			all[i] = x.reader.Fetch(ctx, r.Session, lookup.Known{}, true)
		})
	}
	wg.Wait()
	for i, r := range rows {
		l, listed := all[i], r.copy(user)
		login, _ := l.State.Login()
		missing := l.Phase == lookup.Nobody && x.reader.Backup // the visitor's copy may restore it
		_, revoked := x.reader.Shards.LoginRevoked(listed.State)
		switch {
		case l.Phase == lookup.Live && login.User == user:
			found = append(found, Found{l.Copy, true})
		case (l.Phase == lookup.Unknown || missing) && !revoked:
			found = append(found, Found{listed, false})
			err = cmp.Or(err, l.Err)
		default:
			ended = append(ended, r.Session)
		}
	}
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(b.State.LastSeen, a.State.LastSeen) })
	if err != nil && !errors.Is(err, failure.ErrUnavailable) {
		err = errors.Join(failure.ErrUnavailable, err)
	}
	return found, ended, err
}

// copy returns what the row of a user's list says of its session.
func (r Row) copy(user string) state.Copy {
	st := state.State{Created: r.Began, Authenticated: r.Renewed, LastSeen: r.Seen, End: r.Ends}
	var changes state.Changes // in the order of their names
	if r.Idle > 0 {
		changes = append(changes, state.Stay{Idle: time.Duration(r.Idle) * time.Millisecond}.Change())
	}
	changes = append(changes, state.Login{User: user, Clock: r.Login, At: r.LoggedIn}.Change())
	return state.Copy{ID: r.Session, State: st.Write(changes, state.Dot{})}
}
