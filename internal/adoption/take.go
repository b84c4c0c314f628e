package adoption

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Take finds the session that an old one has become, or makes it. It returns the
// session's token, and sets out to what was loaded. Where no session came of the old
// one, or its session has ended, the token is zero and out says so. ended are the
// sessions that the visitor's tombstone cookie names; fresh reads past the store's
// caches. An error says that it is unknown whether there is a session.
func (l *Library) Take(ctx context.Context, o *OldSession, ended []state.Superseded, fresh bool, out *lookup.Loaded) (token.Token, error) {
	found, err := l.read(ctx, o, fresh)
	switch {
	case err == nil:
		return l.follow(ctx, o, found, ended, fresh, out)
	case !errors.Is(err, failure.ErrNotFound):
		return token.Token{}, err
	}
	st, until, err := l.readOld(o)
	if errors.Is(err, failure.ErrNoSession) {
		// Another request may have adopted the old session since, and ended it in its
		// library.
		if found, err = l.read(ctx, o, true); err == nil {
			return l.follow(ctx, o, found, ended, true, out)
		}
		if errors.Is(err, failure.ErrNotFound) {
			err = nil
		}
		return token.Token{}, err
	}
	if err != nil {
		return token.Token{}, err
	}
	t, sent := l.Transport.NewToken(ctx), l.Clock.Now()
	if l.Shared {
		// No marker leads to it. Therefore only the commit of an answer that can send
		// its token saves it.
		*out = lookup.Loaded{
			Phase: lookup.Live, Copy: state.Copy{ID: t.ID(), State: st, Confirmed: sent.UnixMilli()}, Source: lookup.FromNowhere, Placement: lookup.Behind,
		}
		return t, nil
	}
	// The session is saved before its marker. A crash in between leaves a session
	// whose token was never sent, and the old one is read again. In the other
	// order the crash would log the visitor out.
	over, err := l.Storage.Save(context.WithoutCancel(ctx), t.ID(), st, record.Absent)
	if err != nil {
		return token.Token{}, unknown(err)
	}
	err = l.mark(ctx, o.marker, until, o.key.Seal(t.Reveal()))
	switch {
	case errors.Is(err, failure.ErrConflict):
		// Another request came first, and the token of this session is never sent.
		_, _ = l.Storage.Save(context.WithoutCancel(ctx), t.ID(), state.State{Death: l.Clock.Death(state.Renewed)}, over)
		if found, err = l.read(ctx, o, true); err != nil {
			return token.Token{}, unknown(err)
		}
		return l.follow(ctx, o, found, ended, true, out)
	case err != nil:
		return token.Token{}, unknown(err) // the marker may arrive yet, and leads to this session then
	}
	*out = lookup.Loaded{
		Phase: lookup.Live, Version: over, Source: lookup.FromStore,
		Copy: state.Copy{ID: t.ID(), State: st, Confirmed: sent.UnixMilli(), Saved: st.Entries.Latest()},
	}
	l.tell(ctx, out.Copy)
	l.endOld(ctx, o)
	return t, nil
}

// tell has a session that was taken over listed, and reports it to the audit log.
func (l *Library) tell(ctx context.Context, c state.Copy) {
	if l.Reader.OnRefresh != nil {
		l.Reader.OnRefresh(state.Copy{}, c)
	}
	a := l.Reader.Audit
	if a == nil {
		return
	}
	login, known := c.State.Login()
	hook := a.Began
	if known {
		hook = a.Login
	}
	if hook != nil {
		hook(ctx, c.ID, "", login.User)
	}
}

// follow loads the session whose token a marker holds. A session that is not
// there has ended.
func (l *Library) follow(ctx context.Context, o *OldSession, found state.State, ended []state.Superseded, fresh bool, out *lookup.Loaded) (token.Token, error) {
	t, ok := l.open(o, found)
	if !ok {
		*out = l.ended(found)
		return token.Token{}, nil
	}
	*out = l.Reader.Fetch(ctx, t.ID(), lookup.Known{Ended: ended}, fresh)
	if out.Phase == lookup.Unknown {
		return token.Token{}, out.Err
	}
	return t, nil
}

// readOld returns the old session as one of ours.
func (l *Library) readOld(o *OldSession) (state.State, time.Time, error) {
	values, until, err := l.Read(o.r)
	if err != nil {
		return state.State{}, until, err
	}
	over := !until.IsZero() && !l.Clock.Now().Before(until)
	if over || len(values) == 0 { // without a value no session begins
		return state.State{}, until, failure.ErrNoSession
	}
	st := l.Writer.Begin()
	changes := values.With(state.Change{Name: marker.Entry, Flags: state.Present, Value: marker.Quote(o.marker)})
	st = st.Write(changes.Against(st), l.Clock.Dot(st))
	st.End = l.Storage.EndOf(&st, l.Clock.Now()).UnixMilli() // as long as its Stay says
	return st, until, nil
}
