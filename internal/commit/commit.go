// Package commit saves what requests change: into the store or, if it does not answer,
// into the journal and the copy that the answer carries.
//
// Where to look: a [Commit] is one request's (commit.go); run.go plans what it has to do
// and does it; write.go makes its changes again on a newer state; crew.go saves those of
// several requests at once (package groupcommit says which go together); indoubt.go looks
// up a save that had no answer; hint.go gives a write that the store does not take to the
// journal and the copies; create.go begins and renews sessions, rotate.go rotates tokens,
// end.go ends sessions; degrade.go says whether a commit may do without the store, and
// gives a session a new ID without it.
package commit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/groupcommit"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/token"
)

// graceAfterDeath is how long after a Renew or a Destroy a write under the old token
// is refused, instead of beginning a new session. The response with the new token,
// after a login in another tab, may still be under way. After Revoke no such
// response exists, and the client begins a new session at once.
const graceAfterDeath = 30 * time.Second

// Renewal says what becomes of the session's ID.
type Renewal uint8

// The renewals.
const (
	KeepID    Renewal = iota
	RotateID          // the same session under a new ID
	RenewID           // the same values under a new ID, for rights that the visitor gains
	NewValues         // a new session, and the old one ends
)

// Writer saves the sessions of one store. Its exported fields are set before the
// first call; from then on any number of goroutines may use it.
type Writer struct {
	Reader  *lookup.Reader
	Storage *storage.Storage
	Shards  *failover.Shards
	Clock   *stamp.Clock

	NewToken func(ctx context.Context) token.Token
	Conflict func(ctx context.Context, id string, attempt int) // may be nil

	// With a backup:
	Copies    bool        // sessions travel in their visitors' cookies
	StoreOnly func() bool // reports whether the operator trusts no copy

	// CheckRoom reports why cookies cannot take a copy in so many bytes.
	CheckRoom func(c state.Copy, most int) error

	Restored atomic.Uint64 // sessions put back into a store that lacked them

	group groupcommit.Group[base]
}

// Begin returns a new session without values.
func (w *Writer) Begin() state.State {
	now := w.Clock.Now()
	st := state.State{Created: now.UnixMilli(), Authenticated: now.UnixMilli(), LastSeen: now.UnixMilli()}
	st.End = w.Storage.EndOf(&st, now).UnixMilli()
	return st
}

// remember keeps a copy that the store has taken, if there is a backup. With a foreign
// format it keeps nothing, because the dots do not show what another program has written
// or removed since.
func (w *Writer) remember(c state.Copy) {
	if w.Copies && !w.Reader.Foreign {
		w.Shards.Of(c.ID).Keep(context.Background(), c)
	}
}

// Commit saves what one request has changed. It applies the changes and saves by
// compare-and-set; after a conflict it reads the session, joins and tries again,
// until the budget ends. The caller sets the exported fields down to Vouched, calls
// Prepare and, if that reports work, Run once, and reads the others.
type Commit struct {
	Writer *Writer

	lookup.Loaded               // what the changes are made on, and the session afterwards
	Held          token.Token   // opens the session
	Edits         []*state.Edit // the request's edits that are not saved yet
	Changes       state.Changes // what the edits change of the state
	Doubts        []state.InDoubt
	Asked         Renewal // the renewal that the handler asked for
	Renewal       Renewal // the renewal that is still to be made
	CanSend       bool    // the answer can still carry cookies
	Fresh         bool    // RequireStore: never into the backup
	ReadOnly      bool
	Withheld      bool   // the visitor's browser may have held back the cookie of a session
	Adopted       bool   // it begins with the values of an old session
	Replaced      string // the session that ends when this commit begins one
	Vouched       bool   // its visitor has brought a copy of it
	Answer        Answer // what carries the copy; nil: it has room for any

	// ForgottenSince is when the caller read the session, if this process may have forgotten
	// what other requests have saved since; zero: it has not.
	ForgottenSince time.Time

	Use *inuse.Use // the request's use of the session; nil: none is noted

	Token    token.Token // token of the session that this commit began
	Begun    bool        // that session exists
	Previous string      // the session that a renewal has replaced, if it has: that of a rotation which it followed
	Pending  bool        // copy and journal took the changes, not the store
	Followed bool        // the commit followed a rotation, whose token the visitor may not have yet

	todo      plan           // what Prepare has planned
	refusals  int            // conflicts that left the version as it was
	tombstone state.State    // tombstone of the session that a renewal ends
	copied    record.Version // version of the new session's record
	lookedUp  bool           // the tombstone was looked up, because its save had no answer
	wrote     bool
	madeOn    state.State // the state that Changes were made on
	shared    bool        // Changes include those of other commits in the crew
	under     state.Dot   // the dot of the save that the changes were last made for
	sending   state.Dot   // the dot of a save whose outcome is not taken over yet
	alone     error       // the error of a renewal, if the waiting commits get another result
	arriving  bool        // a rotation was followed, and the session that it made is not read yet
}

// Answer is the answer to the request of a commit.
type Answer interface {
	// Room returns how many bytes of cookies a copy that lasts until end, or until the
	// browser closes if end is zero, may take up in the answer as it is. token says that
	// the answer carries a token too.
	Room(end time.Time, token bool) int
}

// plan is the kind of work that a commit has, known before the store is asked.
type plan uint8

const (
	saveChanges   plan = iota
	nothingToSave      // neither here nor in the store
	sameAsLoaded       // the edits change nothing and are done
	onlyMend           // likewise, and the store lacks something
	cannotSave         // the save needs a cookie, and it is too late for one
)

// changed reports whether there are changes of the values to save.
func (c *Commit) changed() bool {
	return len(c.Doubts) > 0 || len(c.Changes.Against(c.State)) > 0
}

// needsCookie reports whether the visitor must be given a token.
func (c *Commit) needsCookie() bool { return c.begins() || c.Renewal != KeepID }

// begins reports whether the commit creates the session.
func (c *Commit) begins() bool { return c.Phase != lookup.Live || c.Unsaved() }

// base is the session on which the commits of a crew make their changes, and then
// the session with these changes.
type base struct {
	lookup.Loaded
	changes state.Changes // changes of all members so far
	edited  bool          // a member has edits, whatever they come to
	later   bool          // the store does not answer; journal and copies take the changes
	whole   bool          // the changes are in the state already, under sent
	under   state.Dot     // the dot of the save that the changes are made for
	sent    state.Dot     // the dot of a save without an answer; zero: there is none
	dropped bool          // the journal had no room
	pending bool          // journal and copies took it, not the store
	wrote   bool
}
