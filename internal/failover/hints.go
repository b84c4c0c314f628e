package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/state"
)

// AddHint adds a state that the shard lacks to the journal, which keeps it until it is
// delivered. kept reports whether the journal had room. If this process knows that the
// session has ended, the journal keeps nothing and AddHint returns the death. Entries that
// belong to a rotation's successor are kept for the successor; if those are all entries,
// AddHint returns its result for the successor, which is a death only if that has ended too.
// If there is a file, AddHint waits for it to have the hint, for a bounded time: see written.
func (s *Shard) AddHint(ctx context.Context, c state.Copy) (kept bool, ended state.Death) {
	kept, ended = s.addHint(ctx, c, c.State.NeverRenewed(), false)
	s.all.written(c.ID)
	return kept, ended
}

// addHint is AddHint without the file. anonymous is as in Journal.Add of package journal, and
// acknowledged as in handOn.
func (s *Shard) addHint(ctx context.Context, c state.Copy, anonymous, acknowledged bool) (kept bool, ended state.Death) {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return true, ended
	}
	added, err := s.all.journal.Add(s.name, c, anonymous)
	if err != nil {
		return false, ended
	}
	s.handOver()
	s.all.tellDropped(ctx, added.Dropped)
	if added.Ended {
		return s.all.handOn(ctx, c, added.Tombstone.Death, acknowledged)
	}
	s.signal()
	return true, ended
}

// handOn is AddHint for a session that has ended by d, as this process knows. A token that a
// Renew has replaced opens nothing, so the successor gets only what was acknowledged before
// this process knew of the Renew; acknowledged reports whether c was.
func (a *Shards) handOn(ctx context.Context, c state.Copy, d state.Death, acknowledged bool) (kept bool, ended state.Death) {
	if d.Reason != state.Rotated && !acknowledged {
		return false, d
	}
	successor, all, ok := successorCopy(c, d, a.Clock.Instance, false)
	if ok {
		kept, ended = a.inherits(ctx, successor, acknowledged)
	}
	if !ok || !all {
		return false, d
	}
	return kept, ended
}

// inherits is AddHint for what a session takes over. acknowledged is as in handOn.
func (a *Shards) inherits(ctx context.Context, c state.Copy, acknowledged bool) (kept bool, ended state.Death) {
	kept, ended = a.Of(c.ID).addHint(ctx, c, c.State.NeverRenewed(), acknowledged)
	a.written(c.ID)
	return kept, ended
}

// countLost counts a state that was acknowledged and that the journal does not keep, unless
// this process has ended its session itself, and no session goes on.
func (a *Shards) countLost(id string, ended state.Death) {
	if ended.Dot.Instance != a.Clock.Instance || ended.Reason == state.Renewed {
		a.journal.CountLost(a.Of(id).name)
	}
}

// keepFor is how long the journal keeps a copy that the store has, if no request of
// the session carries it back.
const keepFor = 30 * time.Second

// Keep keeps a copy that the store has, so that a request which read the session
// earlier bases its changes on this copy even if the store stops answering. The
// journal keeps it until a request of the session has carried it back, or for 30 s,
// and longer for a request that read the session earlier and still runs. A full
// journal does not keep it.
func (s *Shard) Keep(ctx context.Context, c state.Copy) {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return
	}
	kept, err := s.all.journal.Keep(s.name, c, s.all.Clock.Now())
	if err == nil {
		s.all.tellDropped(ctx, kept.Dropped)
	}
}

// Found notes that the shard has a record of a session, which the journal may not know.
func (s *Shard) Found(id string) { s.all.journal.Found(id) }

// Lately is how long the journal keeps a copy at least after a request has carried
// it: requests that were sent earlier may still arrive with an older one.
const Lately = 5 * time.Second

// Carried notes that a request carries these entries of a session now.
func (a *Shards) Carried(id string, entries state.Entries, now time.Time) {
	a.journal.Carried(id, entries, now.Add(-Lately))
}

// AddTombstone enters a tombstone into the journal. It fails if the journal is full of
// pending tombstones. If there is a file, AddTombstone waits for it to have a pending one, for
// a bounded time: see written.
//
// A tombstone that the store has, and that is news here, goes into the log of this process
// at once, unless it was heard: see Learn. AddTombstone does not wait for that.
func (s *Shard) AddTombstone(ctx context.Context, t journal.Tombstone) error {
	err := s.addTombstone(ctx, t)
	s.all.written(t.ID)
	return err
}

// addTombstone is AddTombstone without the file.
func (s *Shard) addTombstone(ctx context.Context, t journal.Tombstone) error {
	added, err := s.enter(ctx, t)
	if err == nil && added.toTell() {
		s.tellLater(added.Tombstone)
		s.tellSoon()
	}
	if err == nil && added.settled() && added.Tombstone.From == revoked.Unnumbered {
		s.members.Adopt()
	}
	return err
}

// entered is the result of entering a tombstone.
type entered struct{ journal.Added }

// toTell reports whether the log of this process is to have the tombstone.
func (e entered) toTell() bool {
	return e.settled() && e.Tombstone.From == revoked.Own
}

// settled reports whether the store has the tombstone, and this process did not know of it.
func (e entered) settled() bool {
	t := e.Tombstone
	return e.News && !t.Pending && !t.IfStored
}

// enter is AddTombstone for a caller that sees to the log and to the file.
func (s *Shard) enter(ctx context.Context, t journal.Tombstone) (e entered, err error) {
	t.Pending = t.Pending && !s.all.Without.Lacks(mechanism.Hints)
	t.Again = t.Again && t.Pending
	if !t.Pending && s.all.Without.Lacks(mechanism.Revocations) {
		return e, nil
	}
	added, err := s.all.journal.AddTombstone(s.name, t, s.all.Clock.Now(), s.breaker.Owe, s.losesNothing)
	if err != nil {
		return e, errJournalFull
	}
	s.handOver()
	s.all.tellDropped(ctx, added.Dropped)
	if successor, all, ok := successorCopy(added.Owed, added.Tombstone.Death, s.all.Clock.Instance, true); ok {
		if kept, ended := s.all.inherits(ctx, successor, true); all && !kept { // else it is counted, see losesNothing
			s.all.countLost(successor.ID, ended)
		}
	}
	if added.EndsSuccessors {
		_ = s.all.endSuccessor(ctx, added.Tombstone, state.Destroyed)
	}
	if added.Tombstone.Pending {
		s.signal()
	}
	for _, id := range added.AlsoEnd {
		_ = s.all.endWithSuccessors(ctx, id)
	}
	e = entered{added}
	if e.settled() {
		s.all.keepRevocation(added.Tombstone)
	}
	s.all.wake(t.ID)
	return e, nil
}

// endWithSuccessors ends a session, because another writer has ended the one that it was made
// of, and every session that was made of it since.
func (a *Shards) endWithSuccessors(ctx context.Context, id string) error {
	t := journal.Owed(id, a.Clock.Death(state.Revoked))
	t.EndsSuccessors = true
	return a.Of(id).AddTombstone(ctx, t)
}

// losesNothing reports whether dropping owed, which the shard lacked, loses nothing because
// of g: this process ended the session itself, so that no request needs its values, or all
// entries belong to the successor.
func (s *Shard) losesNothing(owed state.Copy, g journal.Tombstone) bool {
	_, all, travels := successorCopy(owed, g.Death, s.all.Clock.Instance, true)
	return g.Death.Dot.Instance == s.all.Clock.Instance || travels && all
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", failure.ErrUnavailable)

// tellDropped calls the Overflow hook for each change that the journal dropped to
// make room. The visitors' cookies still carry these changes.
func (a *Shards) tellDropped(ctx context.Context, d journal.Dropped) {
	if a.Hooks.Overflow == nil {
		return
	}
	for _, id := range d.Hints {
		a.Hooks.Overflow(ctx, id)
	}
}

const (
	takeOverEvery = time.Minute     // between two searches for the files of processes that have ended
	takeOverTime  = 5 * time.Second // how long such a search may take
	lastWrite     = 2 * time.Second // how long the last write of the file may take
)

// startSpool begins to keep the journal in a file too, and enters the entries that
// ended processes have left. It does so before the first request, so that no request
// is served from a session that such a process knew to have ended.
func (a *Shards) startSpool() {
	if a.Spool == nil {
		return
	}
	a.journal.Changed = a.Spool.Changed
	a.Spool.Revocations = a.revocations
	a.Spool.Start(a.journal)
	a.takeOver()
	a.wg.Go(func() {
		ticker := time.NewTicker(takeOverEvery)
		defer ticker.Stop()
		for {
			select {
			case <-a.ctx.Done():
				return
			case <-ticker.C:
				a.takeOver()
			}
		}
	})
}

// takeOver enters into the journal the entries that ended processes have left, by
// the same rules by which those processes entered them.
func (a *Shards) takeOver() {
	ctx, cancel := context.WithTimeout(a.ctx, takeOverTime)
	defer cancel()
	a.Spool.TakeOver(ctx, func(e spool.Entry) bool { return a.enter(ctx, e) })
}

// enter enters one entry of a file. It reports false if the journal has no room.
func (a *Shards) enter(ctx context.Context, e spool.Entry) bool {
	s := a.Of(e.ID)
	switch e.Kind {
	case spool.Hint:
		kept, ended := s.addHint(ctx, *e.Owed.Hint, e.Owed.Anonymous, true)
		if ended.Reason != 0 {
			a.countLost(e.ID, ended)
		}
		return kept || ended.Reason != 0
	case spool.Tombstone:
		t := e.Owed.Tombstone
		over := a.Forgotten(state.Superseded{ID: t.ID, Dot: t.Death.Dot, Durable: t.Again, IfStored: t.IfStored})
		if over && !recordid.IsRevocation(t.ID) {
			return true // the session itself has expired by now
		}
		return s.addTombstone(ctx, t) == nil
	case spool.Revoked:
		if r := e.Revocation; r.Until > a.Clock.Now().UnixMilli() {
			_ = s.addTombstone(ctx, journal.Heard(revocationOf(r)))
		}
	case spool.Settled:
	}
	return true
}

// keepRevocation puts a tombstone that the store has into the file, which outlives the data
// of the store, the logs included.
func (a *Shards) keepRevocation(t journal.Tombstone) {
	if a.Spool != nil {
		a.Spool.Revoke(a.toFile(journal.Compact(t)))
	}
}

// revocations yields the revocation set for the file.
func (a *Shards) revocations(yield func(spool.Revocation) bool) {
	all := heardSet{journal: a.journal, telling: new(telling), has: func(revoked.Tombstone) bool { return true }}.All()
	for x := range all {
		if !yield(a.toFile(x)) {
			return
		}
	}
}

// toFile returns a tombstone as the file has it. The file needs it for a tombstone's life from
// now on, or, if it revokes a user, for as long as an earlier login could count.
func (a *Shards) toFile(x revoked.Tombstone) spool.Revocation {
	r := spool.Revocation{
		ID: x.Record(), Dot: x.Death.Dot, Reason: x.Death.Reason, Class: uint8(x.Class) | uint8(x.Flags),
		Until: a.Clock.Now().Add(a.TombstoneLife).UnixMilli(),
	}
	if x.Class == revoked.Users {
		r.Until = x.Death.Dot.Time().Add(a.userLife()).UnixMilli()
	}
	if x.Successor != (revoked.ID{}) {
		r.Successor = x.Successor.String()
	}
	return r
}

// revocationOf is the inverse of toFile. The tombstone is in no log of this process.
func revocationOf(r spool.Revocation) revoked.Tombstone {
	const classes = 0b11 // below the flags
	x := revoked.Tombstone{ID: revoked.IDOf(r.ID), Class: revoked.Class(r.Class & classes), From: revoked.Unnumbered}
	x.Death.Dot, x.Death.Reason = r.Dot, r.Reason
	x.Flags = revoked.Flags(r.Class) & (revoked.ByRotation | revoked.Conflict)
	if id, ours := revoked.ParseID(r.Successor); ours {
		x.Successor = id
	}
	return x
}

// written waits until the file has what was added of a session, but only for a bounded time:
// a request's entry is normally in the file before its answer leaves.
func (a *Shards) written(id string) {
	if a.Spool != nil {
		a.Spool.Wait(id)
	}
}

// closeSpool gives the file up, which then holds what the store lacks, for the next process.
// Its last write has lastWrite even if ctx is done.
func (a *Shards) closeSpool(ctx context.Context) error {
	if a.Spool == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	return a.Spool.Close(ctx)
}
