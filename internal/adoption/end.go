package adoption

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// EndOld has the old library end the session that a request carries, if it carries
// one.
func (l *Library) EndOld(ctx context.Context, in http.Header) {
	if o := l.Find(ctx, in); o != nil {
		l.endOld(ctx, o)
	}
}

func (l *Library) endOld(ctx context.Context, o *OldSession) {
	if l.End == nil {
		return
	}
	if err := l.End(o.r); err != nil && l.Failed != nil {
		l.Failed(ctx, o.marker, err)
	}
}

// Logout ends what the old cookie of a request leads to, because the visitor logs out
// of the session that was loaded, or begins another one. It reports whether there was
// such a cookie, and returns the sessions that it ended besides.
func (l *Library) Logout(ctx context.Context, in http.Header, loaded *lookup.Loaded) (found bool, ended []state.Superseded, err error) {
	o := l.Find(ctx, in)
	e, known := loaded.State.Entries.Find(marker.Entry)
	known = known && loaded.Phase == lookup.Live
	if o == nil {
		if known && l.Shared {
			l.endShared(ctx, e)
		}
		return false, nil, nil
	}
	if known && !l.Shared && string(e.Value) == string(marker.Quote(o.marker)) {
		return true, nil, nil // the marker stands, and it leads to what was loaded
	}
	record, done, err := l.endUnadopted(ctx, o)
	if done || err != nil {
		return true, nil, err
	}
	t, ok := l.open(o, record)
	if !ok || t.ID() == loaded.ID {
		return true, nil, nil
	}
	ended, err = l.endAdopted(ctx, t.ID())
	return true, ended, err
}

// endUnadopted ends an old session that no request has adopted. If a request has
// adopted it, endUnadopted returns the marker, and done is false.
func (l *Library) endUnadopted(ctx context.Context, o *OldSession) (record state.State, done bool, err error) {
	record, err = l.read(ctx, o, true)
	if err == nil {
		return record, false, nil
	}
	if !errors.Is(err, failure.ErrNotFound) {
		return record, false, unknown(err)
	}
	_, until, err := l.readOld(o)
	gone := errors.Is(err, failure.ErrNoSession)
	switch {
	case gone && l.End == nil:
		return record, true, nil // there is no session to end
	case errors.Is(err, failure.ErrUnavailable):
		return record, false, err
	case !gone:
		err = l.mark(ctx, o.marker, until, []byte(marker.Ended))
		if err == nil {
			l.endOld(ctx, o)
			return record, true, nil
		}
		if !errors.Is(err, failure.ErrConflict) {
			return record, false, unknown(err)
		}
	}
	record, err = l.read(ctx, o, true) // another request was faster
	if gone && errors.Is(err, failure.ErrNotFound) {
		return record, true, nil
	}
	if err != nil {
		return record, false, unknown(err)
	}
	return record, false, nil
}

// endAdopted ends the session that an old one has become, and what rotations have
// made of it, and returns all that it ended.
func (l *Library) endAdopted(ctx context.Context, id string) (ended []state.Superseded, err error) {
	loaded := l.Reader.Fetch(ctx, id, lookup.Known{}, true)
	t := journal.Stored(id, l.Clock.Death(state.Destroyed))
	t.IfLive = true
	switch loaded.Phase {
	case lookup.Unknown:
		return nil, loaded.Err
	case lookup.Nobody:
		return nil, nil
	case lookup.Dead:
		t.Death = loaded.State.Death // the death that stands: the link of a rotation leads Shards.End on
	default: // it lives
	}
	_, ended, err = l.Shards.End(context.WithoutCancel(ctx), &t, record.Any)
	return ended, err
}

// endShared ends the old cookie from which a session was read, for all visitors that
// have it. This visitor's browser drops the cookie in any case, so a store that
// refuses the marker does not fail the logout.
func (l *Library) endShared(ctx context.Context, e state.Entry) {
	id, ok := marker.IDIn(e.Value)
	if !ok {
		return
	}
	_ = l.mark(ctx, id, time.Time{}, []byte(marker.Ended)) // Hooks.Failed gets a failure
}
