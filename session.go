package session

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/copies"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/internal/words"
)

// Session is one visitor's session, as one request sees it. It is loaded when it is
// first asked for. Changes that a handler makes with its keys are saved when the
// response header is about to be written, or by Save.
//
// A Session may be used by many goroutines at once, and outlives its request. A change
// that is made afterwards is saved by Save, or else a second later by the library.
type Session struct {
	m    *Manager
	in   http.Header     // the request's, for the token in it
	host string          // the request's, which its Origin is compared with; empty: unknown
	ctx  context.Context // the request's, for hooks that are called without one

	transport *transport.Transport // of the request's token

	io  sync.Mutex  // held while the store is asked; taken before mu
	out http.Header // the answer's, which is about to be written or may be; nil: not known. io guards it
	mu  sync.Mutex  // guards all below

	loaded  lookup.Loaded
	held    token.Token     // that opens what is loaded
	edits   []*state.Edit   // what is not saved yet
	changes state.Changes   // what the edits come to
	doubts  []state.InDoubt // saves that were not answered
	seq     int32           // changes with all of these
	lost    int32           // the seq that Hooks.Dropped has reported
	broken  map[string]*ValueError
	fault   *refusal // the first write that failed; the commit answers it
	refused *refusal // a fault that a commit answered after the response header, for Err

	replaced    ID // the session that StartNew ends
	renewal     commit.Renewal
	readOnly    bool // ReadOnly
	required    bool // Require: never begins a session
	fresh       bool // RequireStore: reads past the store's caches
	sealed      bool // the response header is written
	finished    bool // committed, because the handler had returned
	returned    bool // the handler has
	answered    bool // by Manager.Commit
	watched     bool // what is changed from now on is saved when the request is over
	visits      bool // the Handler reports the end of the request
	written     bool // something was saved
	tokenAction transport.Action
	sent        transport.Action // by the answer so far
	adopted     *ID              // the session of an old one, whose token the visitor has not got yet; nil: none
	cookies     *copies.Exchange // nil: there is no backup
	varies      [1]string
}

// newSession returns the session of a request with this header and Host, and whose token has
// the transport t.
func (m *Manager) newSession(ctx context.Context, t *transport.Transport, in http.Header, host string) *Session {
	s := &Session{m: m, ctx: ctx, transport: t, in: t.Links.Header(ctx, in), host: host}
	if m.backup != nil && t.TakesCopies(s.in) {
		s.cookies = m.copies.New(t)
	}
	return s
}

// clearToken makes the answer clear the visitor's token.
var clearToken = transport.Action{Kind: transport.Clear}

// Source says where a session was loaded from.
type Source uint8

// The sources of a session.
const (
	FromNowhere Source = iota // there is none yet
	FromStore
	FromBackup // the store did not answer, or had lost it
	Unknown    // it is unknown whether there is one: see Err
)

var sources = words.Of[Source]{
	Type: "Source", Words: []string{FromNowhere: "nowhere", FromStore: "store", FromBackup: "backup", Unknown: "unknown"},
}

func (s Source) String() string { return sources.String(s) }

// ID returns the name of the session in the store, which may be logged. It is
// empty while there is no session, and changes with Renew and Rotate.
//
// Where it is unknown whether there is a session ID is empty too, and as with Or
// the commit answers the error. So a handler that sends visitors without an ID to
// the login page does not do so because the store is away. Err and Source tell the
// two apart.
func (s *Session) ID() ID {
	s.lockLoaded()
	defer s.mu.Unlock()
	s.decideLocked()
	if s.loaded.Phase != lookup.Live {
		return ""
	}
	return ID(s.loaded.ID)
}

// name is ID for logs and hooks: the commit answers no error for it.
func (s *Session) name() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Phase != lookup.Live {
		return ""
	}
	return ID(s.loaded.ID)
}

// decideLocked is called where a handler reads something that its decision may depend
// on. If it is unknown whether there is a session, the commit answers the error. s.mu
// is held.
func (s *Session) decideLocked() {
	if s.loaded.Phase == lookup.Unknown && !s.sealed {
		s.keepFaultLocked("", s.loaded.Err) // keepFaultLocked and not failLocked: no write was lost, so Hooks.Dropped is not called
	}
}

// Err loads the session, if the request has not done so. It returns the error that
// From returned, where it is unknown whether there is a session, or else the first
// error of a write or of Or, which the commit reports in place of the handler's
// response. It is nil if there is none.
//
// Once the response header is written there is no response left to replace: one
// Save, or Hooks.Dropped, reports the error, and Err goes on returning it until
// its key is set, updated or deleted with success. An error that is not of a
// key, such as Renew's, lasts until the next write that succeeds.
func (s *Session) Err() error {
	s.lockLoaded()
	defer s.mu.Unlock()
	if s.loaded.Phase == lookup.Unknown {
		return s.loaded.Err
	}
	return cmp.Or(s.fault, s.refused).reason()
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

// Created returns when the session began, under whatever ID. Like Renewed and
// Expires it is zero while there is none. Where it is unknown whether there is one,
// the commit answers the error, as with ID.
func (s *Session) Created() time.Time {
	return s.date(func(st state.State) time.Time { return time.UnixMilli(st.Created) })
}

// Renewed returns when the session began or was last renewed, whichever is later:
// the time of the login where every login renews.
func (s *Session) Renewed() time.Time {
	return s.date(func(st state.State) time.Time { return time.UnixMilli(st.Authenticated) })
}

// Issued returns when the session's token was made: when the session began, or by
// the last Renew or Rotate.
func (s *Session) Issued() time.Time {
	return s.date(func(st state.State) time.Time { return time.UnixMilli(max(st.Authenticated, st.Rotated)) })
}

// Expires returns when the session ends if no further request uses it. It may last
// longer, by Options.Refresh at most.
func (s *Session) Expires() time.Time { return s.date(s.m.storage.EndsUnused) }

func (s *Session) date(of func(state.State) time.Time) time.Time {
	s.lockLoaded()
	defer s.mu.Unlock()
	s.decideLocked()
	if s.loaded.Phase != lookup.Live {
		return time.Time{}
	}
	return of(s.loaded.State)
}

// Renew gives the session a new token and ID when it is saved, and restarts its
// Lifetime; the old ones are worthless from then on. Call it wherever a visitor
// gains rights, at every login above all, so that a token which was planted or
// stolen before does not gain them (session fixation).
//
// A Renew that fails makes the commit answer its error, as a write of a Key does,
// and Err returns it: ErrTooLate once the response header is written, ErrReadOnly,
// or the error of a session that is not known.
func (s *Session) Renew() { _ = s.renew() }

// renew is Renew, and returns its error.
func (s *Session) renew() error {
	s.lockLoaded()
	defer s.mu.Unlock()
	err := s.writableLocked()
	if err == nil && s.sealed {
		err = ErrTooLate
	}
	if err != nil {
		return s.failLocked(err)
	}
	s.renewal = max(s.renewal, commit.RenewID)
	s.seq++
	s.watchLocked()
	return nil
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

// Format prints no more than the ID, with every verb.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, "session "+string(s.name())) }

// LogValue logs no more than the ID.
func (s *Session) LogValue() slog.Value { return slog.StringValue(string(s.name())) }
