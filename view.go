package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// View is a session as it stood when it was read, without its visitor's request: for a
// page of a user's devices, for administrators and for jobs. Key.In reads its values.
// Nothing changes the session through a View, and reading it does not count as use;
// Manager.Revoke ends it.
type View struct {
	ID       ID
	User     string    // the last who logged in; empty: none has
	LoggedIn time.Time // when; zero if no user has logged in
	Began    time.Time
	Renewed  time.Time // when it began or was last renewed
	Seen     time.Time // when it was last used; up to Options.Refresh earlier than it was
	Expires  time.Time // when it ends if no further request uses it
	Current  bool      // it is the session of the request that has asked, and not of Manager.Load

	// Incomplete says that the session itself was not read: the store did not answer, or lacks
	// a session of which its visitor may have a copy, and its login was not revoked. The dates
	// are as the user's list has them, and the values are not known.
	Incomplete bool

	state state.State
}

// Names returns the names of the session's values, in order.
func (v *View) Names() (names []string) {
	for rest := v.state.Entries; len(rest) > 0; {
		e, next, _ := rest.Cut()
		rest = next
		if own := v.state.Origin == nil && strings.Contains(string(e.Name), "/"); !own && e.Flags.Kind() != state.Deleted {
			names = append(names, string(e.Name))
		}
	}
	return names
}

// In returns the value in a View. It fails with ErrNoValue where there is none, with
// ErrUnavailable where it is not known, because the store did not answer, and with a
// *ValueError where it does not decode into T.
func (k Key[T]) In(v *View) (T, error) {
	var value T
	data, err := state.Lookup(v.state, nil, k.name)
	switch {
	case v.Incomplete || errors.Is(err, state.ErrWithheld):
		return value, fmt.Errorf("%w: the value of key %s was not read", ErrUnavailable, k.name)
	case err != nil:
		return value, ErrNoValue
	}
	if err := k.decode(data, &value); err != nil {
		var zero T
		return zero, err
	}
	return value, nil
}

// Open returns the session id as the store has it, joined with what this process knows of
// it beside the store. Where Rotate has replaced the id, it is the session that goes on, under its
// own ID, for as long as Revoke finds that. Open fails with ErrNoSession where there is none or it
// has ended, with an error that wraps ErrUnavailable where that is not known, and with another
// error where id is malformed. A session that only its visitor's cookies have, because the store has lost it, is
// not found.
func (m *Manager) Open(ctx context.Context, id ID) (*View, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("session: open: %w", err)
	}
	if recordid.Reserved(string(id)) {
		return nil, ErrNoSession
	}
	l := m.reader.GoesOn(ctx, m.reader.Fetch(ctx, string(id), lookup.Known{}, true))
	switch l.Phase {
	case lookup.Live:
		v := m.view(&l.Copy)
		current := m.current(ctx)
		v.Current = current.ID == l.ID
		return &v, nil
	case lookup.Unknown:
		return nil, l.Err
	default:
		return nil, ErrNoSession
	}
}

// Sessions returns the sessions to which a user has logged in by SetUser, most recently used
// first; the session of the request that ctx belongs to is marked Current. It reads a list in
// the store, of 100 sessions at most, and each session in it, so that one which has ended is
// never shown. The empty user has no sessions.
//
// The list is kept in the background: by logins, by logouts, and by each refresh of a
// session's expiry. So a session that the list lacks, because the store has evicted the
// list or did not take it, is there again when it was in use for Options.Refresh.
//
// With an Options.Format, whose records have no place for a user, there is no list.
//
// If there is also an error, which wraps ErrUnavailable, sessions may be missing or Incomplete;
// the current one is there, unless it has ended. Security must not depend on the list: RevokeUser
// ends sessions whether they are listed or not.
func (m *Manager) Sessions(ctx context.Context, user string) ([]View, error) {
	current := m.current(ctx)
	found, err := m.devices.SessionsWith(ctx, user, current)
	views := make([]View, 0, len(found))
	for i := range found {
		v := m.view(&found[i].Copy)
		v.Incomplete = !found[i].Read
		v.Current = v.ID == ID(current.ID)
		views = append(views, v)
	}
	return views, err
}

// view returns a session without its request.
func (m *Manager) view(c *state.Copy) View {
	v := View{
		ID: ID(c.ID), Began: time.UnixMilli(c.State.Created), Renewed: time.UnixMilli(c.State.Authenticated),
		Seen: time.UnixMilli(c.State.LastSeen), Expires: m.storage.EndsUnused(c.State), state: c.State,
	}
	if l, ok := c.State.Login(); ok {
		v.User, v.LoggedIn = l.User, time.UnixMilli(l.At)
	}
	return v
}

// current returns the session of the request that ctx belongs to, as it was loaded or last
// saved, and loads it if no code has asked for it. It is zero where there is none.
func (m *Manager) current(ctx context.Context) state.Copy {
	x, _ := ctx.Value(m).(*exchange)
	if x == nil {
		return state.Copy{}
	}
	s := x.session()
	if s.io.TryLock() { // else it is being loaded or saved: a hook of that may ask
		s.io.Unlock()
		_ = s.load(s.ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Phase != lookup.Live {
		return state.Copy{}
	}
	return s.loaded.Copy
}
