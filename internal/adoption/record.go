package adoption

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/token"
)

// unbounded is how long a marker lives where it is unknown how long the old session
// could.
const unbounded = 10 * 366 * 24 * time.Hour

// open returns the token in a marker. A marker has none where the old session has
// ended without a new one.
func (l *Library) open(o *OldSession, record state.State) (token.Token, bool) {
	e, ok := record.Entries.Find(marker.Entry)
	if !ok || record.Dead() {
		return token.Token{}, false
	}
	secret, ok := o.key.Open(e.Value)
	if !ok {
		return token.Token{}, false
	}
	return l.Transport.Parse(secret)
}

// ended returns the meaning of a marker without a token: the visitor has logged out,
// or in by another session. A cookie that other visitors have too proves nothing
// about this one.
func (l *Library) ended(record state.State) lookup.Loaded {
	e, ok := record.Entries.Find(marker.Entry)
	if !ok || l.Shared || string(e.Value) != marker.Ended {
		return lookup.Loaded{Phase: lookup.Nobody}
	}
	return lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: state.Death{Dot: e.Dot, Reason: state.Destroyed}}}}
}

// mark creates the marker with this ID, to last as long as an old session that can be
// used until then, or returns failure.ErrConflict.
func (l *Library) mark(ctx context.Context, id string, until time.Time, value []byte) error {
	now := l.Clock.Now()
	if until.IsZero() || until.After(now.Add(storage.Century/2)) {
		until = now.Add(unbounded)
	}
	st := l.Writer.Begin()
	st.End = until.UnixMilli()
	st.LastSeen = max(0, until.Add(-l.Storage.Idle-l.Storage.Refresh).UnixMilli())
	st = st.Write([]state.Change{{Name: marker.Entry, Flags: state.ServerOnly, Value: value}}, l.Clock.Dot(st))
	_, err := l.Storage.Save(context.WithoutCancel(ctx), id, st, record.Absent)
	return err
}

// read returns the marker of an old session. failure.ErrNotFound says that the old
// session was neither adopted nor ended.
func (l *Library) read(ctx context.Context, o *OldSession, fresh bool) (state.State, error) {
	var r record.Session
	err := l.Storage.Load(ctx, o.marker, false, fresh, &r)
	if errors.Is(err, failure.ErrNotFound) && l.Reader.Backup && l.Shards.Of(o.marker).Quarantined() {
		return state.State{}, failure.ErrForgetful
	}
	return r.State, err
}

// unknown wraps a failure after which it is unknown how far an adoption got, so
// that the answer does not say that there is no session.
func unknown(err error) error {
	if errors.Is(err, failure.ErrUnavailable) || errors.Is(err, failure.ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: adopt: %w", failure.ErrUnavailable, err)
}
