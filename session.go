package session

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Session is one visitor's session, as one request sees it. It is loaded when
// it is first asked for. What a handler changes with its keys is saved when
// the response header is about to be written, or by Save.
//
// A Session may be used by many goroutines at once, and outlives its request:
// from then on it is Save that writes, and what a goroutine has not saved a
// second later is saved for it.
type Session struct {
	m   *Manager
	in  http.Header     // the request's, for the token in it
	ctx context.Context // the request's, for hooks that are called without one

	io sync.Mutex // held while the store is asked; taken before mu
	mu sync.Mutex // guards all below

	loaded  lookup.Loaded
	held    token.Token     // that opens what is loaded
	edits   []*state.Edit   // what is not saved yet
	changes state.Changes   // what the edits come to
	doubts  []state.InDoubt // saves that were not answered
	seq     int             // changes with all of these
	lost    int             // the seq of what Hooks.Dropped was told of
	broken  map[string]*ValueError
	fault   refusal // the first write that failed; the commit answers it
	refused refusal // a fault that a commit answered after the response header, for Err

	renewal  commit.Renewal
	replaced ID   // the session that StartNew ends
	readOnly bool // ReadOnly
	required bool // Require: never begins a session
	fresh    bool // RequireStore: reads past the store's caches
	sealed   bool // the response header is written
	finished bool // committed, because the handler had returned
	returned bool // the handler has
	answered bool // by Manager.Commit
	watched  bool // what is changed from now on is saved when the request is over
	visits   bool // somebody will say when the request is over
	notice   notice
	written  bool            // something was saved
	token    token.Token     // for the notice
	adopted  ID              // the session of an old one, whose token the visitor has not got yet
	tokenEnd int64           // when its session ends at the latest
	told     told            // by the answer so far
	parcel   *cookieExchange // nil: there is no backup
	varies   [1]string
}

func (m *Manager) newSession(ctx context.Context, in http.Header) *Session {
	s := &Session{m: m, ctx: ctx, in: in}
	if m.backup != nil && m.carrier.Header == "" {
		s.parcel = new(cookieExchange)
	}
	return s
}

// notice is what the visitor must be told about the token.
type notice uint8

const (
	nothing notice = iota
	sendToken
	clearToken
	repeatToken // which the visitor has already
	passToken   // of a rotation, to a visitor who may not have it yet
)

// Source tells where a session was loaded from.
type Source uint8

// The sources of a session.
const (
	FromNowhere Source = iota // there is none yet
	FromStore
	FromBackup // the store did not answer, or had lost it
	Unknown    // nobody can say whether there is one: see Err
)

func (s Source) String() string {
	switch s {
	case FromNowhere:
		return "nowhere"
	case FromStore:
		return "store"
	case FromBackup:
		return "backup"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// Durability tells how far a write has come.
type Durability uint8

// How far a write has come.
const (
	// Durable is what has arrived in the store.
	Durable Durability = iota + 1

	// Pending is what the store did not take. It travels in the visitor's
	// backup, and is delivered when the store is back.
	Pending
)

func (d Durability) String() string {
	switch d {
	case Durable:
		return "durable"
	case Pending:
		return "pending"
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// ID returns the name of the session in the store, which may be logged. It is
// empty while there is no session, and changes with Renew and Rotate.
//
// Where nobody knows whether there is a session it is empty too, and as with
// Or the commit then answers why: a handler that takes no ID for no session must
// not send visitors to the login page because the store is away. Err and Source
// tell the two apart.
func (s *Session) ID() ID {
	s.lockLoaded()
	defer s.mu.Unlock()
	s.decide()
	if s.loaded.Phase != lookup.Live {
		return ""
	}
	return ID(s.loaded.ID)
}

// name is ID for logs and hooks, which decide nothing.
func (s *Session) name() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Phase != lookup.Live {
		return ""
	}
	return ID(s.loaded.ID)
}

// decide is called where a handler asks for something that it may decide by. If
// the session is not known, the commit answers why. s.mu is held.
func (s *Session) decide() {
	if s.loaded.Phase == lookup.Unknown && !s.sealed {
		s.keepFault("", s.loaded.Err) // nothing is lost that Hooks.Dropped had to be told of
	}
}

// Err asks the store if nobody has yet. It returns why it is not known whether
// there is a session, which is what From returned, or else the first error of a write or of Or that the commit
// will answer instead of the handler's response. It is nil if all is well.
//
// Once the response header is written there is no response left to replace: one
// Save, or Hooks.Dropped, answers the error, and Err goes on returning it until
// its key is set, updated or deleted with success. An error that is not of a
// key, such as Renew's, lasts until the next write that succeeds.
func (s *Session) Err() error {
	s.lockLoaded()
	defer s.mu.Unlock()
	if s.loaded.Phase == lookup.Unknown {
		return s.loaded.Err
	}
	if s.fault.err == nil {
		return s.refused.err
	}
	return s.fault.err
}

// Source returns where the session was loaded from.
func (s *Session) Source() Source {
	s.lockLoaded()
	defer s.mu.Unlock()
	switch s.loaded.Phase {
	case lookup.Live:
		return Source(s.loaded.Source)
	case lookup.Unknown:
		return Unknown
	default:
		return FromNowhere
	}
}

// Created returns when the session began, whatever its ID was then. Like
// Renewed and Expires it is zero while there is none, and where nobody knows
// whether there is one it makes the commit answer why, as ID does.
func (s *Session) Created() time.Time {
	return s.date(func(st state.State) time.Time { return time.UnixMilli(st.Created) })
}

// Renewed returns when the session began or was last renewed, whatever is
// later: the time of the login where every login renews.
func (s *Session) Renewed() time.Time {
	return s.date(func(st state.State) time.Time { return time.UnixMilli(st.Authenticated) })
}

// Issued returns when the session's token was made: when the session began, by
// Renew or by Rotate, whatever was last.
func (s *Session) Issued() time.Time {
	return s.date(func(st state.State) time.Time { return time.UnixMilli(max(st.Authenticated, st.Rotated)) })
}

// Expires returns when the session ends if nobody uses it any more. It may
// last longer, by Options.Refresh at most.
func (s *Session) Expires() time.Time {
	return s.date(func(st state.State) time.Time {
		idle, end := time.UnixMilli(st.LastSeen).Add(s.m.options.Idle), time.UnixMilli(st.End)
		if idle.Before(end) {
			return idle
		}
		return end
	})
}

func (s *Session) date(of func(state.State) time.Time) time.Time {
	s.lockLoaded()
	defer s.mu.Unlock()
	s.decide()
	if s.loaded.Phase != lookup.Live {
		return time.Time{}
	}
	return of(s.loaded.State)
}

// Renew gives the session a new token and ID when it is saved, and restarts
// its Lifetime; the old ones are of no use to anybody from then on. Call it
// wherever a visitor gains rights, at every login above all: it is what makes
// a token that was planted or stolen before worthless (session fixation).
//
// A Renew that fails makes the commit answer why, as a write of a Key does, and
// Err tells: ErrTooLate once the response header is written, ErrReadOnly, or why
// the session is not known.
func (s *Session) Renew() {
	s.lockLoaded()
	defer s.mu.Unlock()
	err := s.writable()
	if err == nil && s.sealed {
		err = ErrTooLate
	}
	if err != nil {
		_ = s.fail(err)
		return
	}
	s.renewal = max(s.renewal, commit.RenewID)
	s.seq++
	s.watch()
}

// Destroy ends the session at once, on every instance, and drops what was
// changed. The answer clears the visitor's token. What is set afterwards
// begins a new session. Under a token that Rotate has replaced it ends the
// session that it became, as long as the tombstones stand that lead there: for
// Backup.MaxLease and five minutes, without a Backup for five minutes.
//
// On error the session may or may not have ended, the token is kept, and the
// error replaces the response, so that no visitor is told of a logout that
// did not happen.
func (s *Session) Destroy(ctx context.Context) (Durability, error) {
	s.lockLoaded()
	s.mu.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, id, readOnly := s.loaded, ID(s.loaded.ID), s.readOnly
	if id == "" {
		id = s.replaced
	}
	s.mu.Unlock()
	if readOnly {
		return 0, s.failed(ErrReadOnly)
	}
	if l.Phase == lookup.Dead && l.ID == "" || l.Unsaved() {
		l.Phase, l.ID, id = lookup.Nobody, "", "" // it is an old session, and endAdoption's
	}
	if id == "" {
		// Not in the store, it said; but the visitor has a token.
		if t, ok := s.m.carrier.Receive(s.in); ok {
			id = ID(t.ID())
		}
	}
	adopted, err := s.endAdoption(ctx, &l)
	if err != nil {
		return 0, s.failed(err)
	}
	d := Durable
	if id != "" {
		if d, err = s.end(ctx, id, &l); err != nil {
			return 0, s.failed(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.required = false // it was there; what is set from here on begins another
	s.loaded = lookup.Loaded{Phase: lookup.Nobody}
	s.forget()
	if id != "" || adopted {
		s.notice = clearToken
	}
	return d, nil
}

// end ends the session id, of which l is known. s.io is held.
func (s *Session) end(ctx context.Context, id ID, l *lookup.Loaded) (Durability, error) {
	// Where the store answered that there is nothing, not even a record that has
	// expired and that a copy of a later use could go on from, and the visitor
	// brought no copy, there is no session to end: a made-up token makes no record.
	nothing := l.Phase == lookup.Nobody && l.Version == Absent
	if nothing && !s.replacing() && !s.parcel.vouched() {
		if s.m.backup != nil {
			s.knowEnded(ctx, id)
		}
		return Durable, nil
	}
	over := Any
	if l.Phase == lookup.Live && !l.Away() {
		over = l.Version
	}
	t := s.tombstone(id, l)
	d, line, err := s.m.shards.EndLine(context.WithoutCancel(ctx), &t, over)
	if err != nil {
		return 0, err
	}
	if p := s.parcel; p != nil {
		p.dirty = true
		p.ended = state.JoinSuperseded(state.JoinSuperseded(p.ended, l.Supersedes), line)
	}
	return Durability(d), nil
}

// tombstone returns what the session id ends with, of which l is known.
func (s *Session) tombstone(id ID, l *lookup.Loaded) journal.Tombstone {
	t := journal.Stored(string(id), s.m.clock.Death(state.Destroyed))
	if l.Phase == lookup.Live {
		return t
	}
	t.IfLive = true
	t.Unverified = !s.parcel.vouched()
	if l.Phase != lookup.Dead {
		t.IfStored = t.Unverified
		return t
	}
	if s.m.shards.Bequeathed(string(id)) {
		t.IfLive, t.Unverified = false, false // by a Renew that is not in the store yet: this is another writer
	} else {
		t.Death = l.State.Death // as it was: whoever holds a dead token ends nobody else
	}
	return t
}

// knowEnded enters a session that the store does not have among those that this
// process and the visitor's browser know to have Ended: a copy of it that
// somebody still has comes to nothing here. The store is not told.
func (s *Session) knowEnded(ctx context.Context, id ID) {
	g := journal.Unseen(string(id), s.m.clock.Death(state.Destroyed))
	_ = s.m.shards.Of(string(id)).Bury(ctx, g)
	if p := s.parcel; p != nil {
		p.dirty = true
		p.ended = state.AddSuperseded(p.ended, state.Superseded{ID: string(id), Dot: g.Death.Dot, IfLive: true, IfStored: true})
	}
}

// replacing reports whether StartNew is to end a session, which nobody has asked
// the store for.
func (s *Session) replacing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaced != ""
}

// Save saves now what was changed so far, instead of when the response header
// is written: to have its error in hand, or to write after the header, in a
// websocket or an event stream. A session that is unchanged is not written.
//
// It fails with ErrEnded when the session was ended elsewhere, by a Renew too,
// with ErrUnavailable when the store does not answer (the write may have
// happened; another Save finds out, and does not repeat it), with ErrTooLarge
// (after the response header it drops what was changed since the last Save),
// with the error of an Update that ran again, or with that of an earlier write
// that was refused.
func (s *Session) Save(ctx context.Context) (Durability, error) {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	cookies := !s.sealed
	s.mu.Unlock()
	return s.commit(ctx, cookies)
}

// Reload asks the store for what others have written since, past all caches;
// unsaved changes are made again on top; an Update that fails there is dropped,
// and its error returned. After a logout, after a Renew by another request, or
// when the session has expired, it returns ErrNoSession, and unsaved changes
// are dropped. Like a request that asks for the session it counts as use.
func (s *Session) Reload(ctx context.Context) error {
	s.lockLoaded()
	s.mu.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, held, readOnly := s.loaded, s.held, s.readOnly
	s.mu.Unlock()
	if l.Phase == lookup.Nobody || l.Phase == lookup.Dead {
		return ErrNoSession
	}
	l = s.loadAgain(ctx, l, held)
	switch l.Phase {
	case lookup.Unknown:
		return l.Err // what was loaded before still stands
	case lookup.Live:
		if !readOnly && !l.Away() && l.Placement != lookup.Missing && !s.m.resaves() && s.m.reader.Due(l) {
			l = s.m.reader.PutOff(ctx, l) // here and now: the version is the next Save's
		}
		return s.settle(l)
	}
	s.mu.Lock()
	if len(state.Unsaved(s.edits)) > 0 && !s.sealed {
		_ = s.fail(ErrEnded) // do not answer as if what is dropped here were saved
	}
	s.mu.Unlock()
	_ = s.settle(l) // nothing is left that could fail
	return ErrNoSession
}

// loadAgain asks the store, past all caches, for the session that was loaded as l.
// s.io is held.
func (s *Session) loadAgain(ctx context.Context, l lookup.Loaded, held token.Token) lookup.Loaded {
	if s.m.options.Adopt != nil && (l.Phase == lookup.Unknown || l.Unsaved()) {
		l = lookup.Loaded{}
		s.find(ctx, true, &l) // it may be an old session's marker that nobody has read, or not saved here
		return l
	}
	w := lookup.Witness{Copy: l.Copy, Found: l.Phase == lookup.Live && s.m.carrier.Header == ""}
	l = s.m.reader.Fetch(ctx, l.ID, w, true)
	s.hold(ctx, held, &l)
	return l
}

// Format prints no more than the ID, with every verb.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, "session "+string(s.name())) }

// LogValue logs no more than the ID.
func (s *Session) LogValue() slog.Value { return slog.StringValue(string(s.name())) }
