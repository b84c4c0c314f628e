package session

import (
	"context"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Destroy ends the session and drops its changes. The answer clears the visitor's token. A
// value that is set afterwards begins a new session.
//
// Durable says that every instance that reaches the store honors it, with a Backup within two
// seconds. Pending says that this instance honors it now, and the others once it is delivered.
// An instance that does not reach the store honors it at most a Backup.Lease later.
//
// Where Rotate has replaced the token of the request, Destroy ends the session that goes on
// under the new one, as long as the tombstones stand that lead there: for Backup.MaxLease and
// five minutes, without a Backup for five minutes.
//
// On error the session may or may not have ended, the token is kept, and the error
// replaces the response, so that no response reports a logout that did not happen.
func (s *Session) Destroy(ctx context.Context) (Durability, error) {
	s.lockLoaded()
	s.mu.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, readOnly := s.loaded, s.readOnly
	held, id := s.held, ID(l.ID)
	if id == "" {
		id = s.replaced
	}
	s.mu.Unlock()
	if readOnly {
		return 0, s.failed(ErrReadOnly)
	}
	if l.Phase == lookup.Dead && l.ID == "" || l.Unsaved() {
		l.Phase = lookup.Nobody // it is an old session, which endAdoption ends
		l.ID, id = "", ""
	}
	if id == "" {
		// Nothing was found, but the visitor has a token: its session may live in a
		// copy.
		if t, ok := s.transport.Receive(s.in); ok {
			id = ID(t.ID())
		}
	}
	adopted, err := s.endAdoption(ctx, &l)
	if err != nil {
		return 0, s.failed(err)
	}
	d := Durable
	if id != "" {
		if d, err = s.end(ctx, id, &l); err == nil {
			s.m.devices.Moved(l.Copy, state.Copy{}, devices.Place{})
			err = s.endTwins(ctx, held, id)
		}
		if err != nil {
			return 0, s.failed(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.required = false // Require was fulfilled; what is set from here on begins a new session
	s.loaded = lookup.Loaded{Phase: lookup.Nobody}
	s.forgetLocked()
	if id != "" || adopted {
		s.tokenAction = clearToken
	}
	return d, nil
}

// end ends the session id, of which l is known. s.io is held.
func (s *Session) end(ctx context.Context, id ID, l *lookup.Loaded) (Durability, error) {
	// Where the store answered that there is nothing, not even a record that has
	// expired and that a copy of a later use could go on from, and the visitor
	// brought no copy, there is no session to end: a made-up token makes no record.
	nothing := l.Phase == lookup.Nobody && l.Version == Absent
	if nothing && !s.replacing() && !s.cookies.Vouched() {
		if s.m.backup != nil {
			s.knowEnded(ctx, id)
		}
		return Durable, nil
	}
	over := Any
	if l.Phase == lookup.Live && !l.Away() {
		over = l.Version
	}
	t, goesOn := s.tombstone(id, l), s.m.reader.Whose(ctx, *l)
	d, line, err := s.m.writer.End(context.WithoutCancel(ctx), &t, record.Version(over))
	if err != nil {
		return 0, err
	}
	s.m.reader.Ended(ctx, string(id), goesOn, line, audit.Visitor, d)
	if p := s.cookies; p != nil {
		p.Dirty = true
		p.Ended = state.JoinSuperseded(state.JoinSuperseded(p.Ended, l.Supersedes), line)
	}
	return Durability(d), nil
}

// endTwins ends the other sessions that the store has for tokens of the request: the
// answer clears one cookie, and the visitor would be logged in by the next one. s.io is
// held.
func (s *Session) endTwins(ctx context.Context, held token.Token, id ID) (err error) {
	for n := 0; err == nil && s.transport.HasTwins(s.in); n++ {
		t, ok := s.transport.ReceiveTwin(s.in, n)
		if !ok {
			break
		}
		if t == held || ID(t.ID()) == id {
			continue
		}
		if l := s.m.reader.Fetch(ctx, t.ID(), lookup.Known{}, true); l.Phase == lookup.Live {
			_, err = s.end(ctx, ID(t.ID()), &l)
		}
	}
	return err
}

// tombstone returns the tombstone that ends the session id. l is what is known of the
// session.
func (s *Session) tombstone(id ID, l *lookup.Loaded) journal.Tombstone {
	t := journal.Stored(string(id), s.m.clock.Death(state.Destroyed))
	if l.Phase == lookup.Live {
		t.Death.Anonymous = l.State.NeverRenewed()
		return t
	}
	t.IfLive = true
	t.Unverified = !s.cookies.Vouched()
	if l.Phase != lookup.Dead {
		t.IfStored = t.Unverified
		return t
	}
	if s.m.shards.MovePending(string(id)) {
		t.IfLive, t.Unverified = false, false // a Renew, which the store lacks yet, has ended the session: this end is by another writer
	} else {
		t.Death = l.State.Death // a client with a dead token ends no other session
	}
	return t
}

// knowEnded enters a session that the store does not have among those that this
// process and the visitor's browser know to have ended, so that a copy that still
// exists opens nothing here. The store is not asked.
func (s *Session) knowEnded(ctx context.Context, id ID) {
	g := journal.Unseen(string(id), s.m.clock.Death(state.Destroyed))
	_ = s.m.shards.Of(string(id)).AddTombstone(ctx, g)
	if p := s.cookies; p != nil {
		p.Dirty = true
		p.Ended = state.AddSuperseded(p.Ended, state.Superseded{ID: string(id), Dot: g.Death.Dot, IfLive: true, IfStored: true})
	}
}

// replacing reports whether StartNew is to end a session that the request has not
// loaded.
func (s *Session) replacing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaced != ""
}
