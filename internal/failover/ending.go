package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// writeTombstone makes sure that the store has a tombstone of the session. over is the
// version of the record, or record.Any if the caller does not know it. writeTombstone reads
// an existing tombstone before it writes another over it, because that one may have a link.
// g.Death becomes the death that the store has, and zero if there was nothing to end, see
// journal.Tombstone.EndedNothing.
func (a *Shards) writeTombstone(ctx context.Context, c Call, g *journal.Tombstone, over record.Version) error {
	if g.IfLive {
		done, err := a.ensureDead(ctx, c, *g, state.Copy{})
		if err == nil {
			g.Death = done.Death
		}
		return err
	}
	st := state.State{Death: g.Death}
	tries := a.attempts()
	for known := over != record.Any; ; known = false {
		if !known {
			r, err := a.Backend.Read(ctx, c)
			if err != nil && !errors.Is(err, failure.ErrNotFound) && r.Unreadable == record.Absent {
				return err
			}
			if over = r.Version; r.Unreadable != record.Absent {
				over = r.Unreadable
			} else if err == nil && r.State.Dead() {
				if st = state.Join(st, r.State); st.Death == r.State.Death {
					break
				}
			}
		}
		_, err := a.Backend.Put(ctx, c, Save, st, over)
		if err == nil {
			break
		}
		if !errors.Is(err, failure.ErrConflict) {
			return err
		}
		if tries.spent() {
			return errContested
		}
	}
	g.Death = st.Death
	return nil
}

// maxSuccessors bounds how many sessions, each made of the one before, a call ends. With a
// rotation every few seconds it takes hours to make more.
const maxSuccessors = 1000

// End ends a session as EndOne does. If the client's token had already been replaced, End also
// ends the sessions made by rotations, up to the next Renew; if the caller took the session for
// live, all successors. With a backup it returns all sessions that it ended or tried to end, for
// the copies to carry. If the store does not answer, the remaining successors end when the
// journal delivers the tombstone.
func (a *Shards) End(ctx context.Context, g *journal.Tombstone, over record.Version) (d Durability, ended []state.Superseded, err error) {
	g.EndsSuccessors = true
	why, at := g.Death.Reason, g
	var successors []journal.Tombstone
	for range maxSuccessors {
		far, err := a.EndOne(ctx, at, over)
		if err == nil && at.EndedNothing() { // only without a backup
			return max(d, far), ended, nil
		}
		if a.JournalBytes > 0 { // else no copy could carry it
			ended = state.AddSuperseded(ended, state.Superseded{ID: at.ID, Dot: at.Death.Dot, IfLive: at.IfLive, Durable: far == Durable, IfStored: at.IfStored})
		}
		if err != nil {
			return 0, ended, err
		}
		stands := at.Death
		if known, _ := a.Tombstone(at.ID); stands.Link == "" && known.Death.Link != "" {
			stands = known.Death // the store was set back to before the rotation
		}
		d = max(d, far)
		successors = a.appendSuccessors(successors, stands, why)
		if len(successors) == 0 {
			return d, ended, nil
		}
		at = &successors[0]
		successors = successors[1:]
		over = record.Any
	}
	return 0, ended, fmt.Errorf("%w: more than %d sessions to follow", failure.ErrUnavailable, maxSuccessors)
}

// appendSuccessors appends to all the tombstones of the sessions that were made of the one
// with this death and end with it.
func (a *Shards) appendSuccessors(all []journal.Tombstone, d state.Death, why state.Reason) []journal.Tombstone {
	ended := d.EndedSuccessors()
	for _, id := range ended {
		t := a.successorTombstone(id, why)
		t.IfLive = false // written over a rotation or a Renew too, whose successors end as well
		all = append(all, t)
	}
	if next := d.Link.Successor(); len(ended) == 0 && next != "" {
		all = append(all, a.successorTombstone(next, why))
	}
	return all
}

// successorTombstone returns the tombstone of the session that a rotation made of a
// session that ends. That session may have ended already, by a Renew above all; then its
// own tombstone stays.
func (a *Shards) successorTombstone(id string, why state.Reason) journal.Tombstone {
	if why == state.Rotated {
		why = state.Destroyed
	}
	t := journal.IfLive(id, a.Clock.Death(why))
	t.EndsSuccessors = true
	return t
}

// endSuccessor continues End when the journal has delivered g: the tombstone of the
// session that a rotation made of it becomes pending.
func (a *Shards) endSuccessor(ctx context.Context, g journal.Tombstone, why state.Reason) error {
	next := g.Death.Link.Successor()
	if !g.EndsSuccessors || next == "" {
		return nil
	}
	successor := a.successorTombstone(next, why)
	successor.Pending, successor.Again = true, g.Again
	return a.Of(next).AddTombstone(ctx, successor)
}

// EndOne ends a session in the store. If the store does not answer, the tombstone is
// pending in the journal until it does. over is the version of the store's record, or
// record.Any if the caller does not know it. EndOne sets g.Death to the death that the
// store has afterwards.
func (a *Shards) EndOne(ctx context.Context, g *journal.Tombstone, over record.Version) (Durability, error) {
	if a.JournalBytes == 0 {
		err := a.writeTombstone(ctx, Call{all: a, ID: g.ID, Budget: a.SaveTimeout}, g, over)
		a.wake(g.ID)
		return Durable, err
	}
	s, asked := a.Of(g.ID), g.Death
	toAll := a.goesEverywhere(g.ID)
	defer a.telling.remove(g)
	err, untold := failure.ErrNotAsked, error(nil)
	if a.Mode(s.name) != circuit.BackupOnly {
		err, untold = s.endNow(ctx, g, over)
	}
	d := Durable
	if err != nil {
		if a.Mode(s.name) == circuit.StoreOnly {
			return 0, err
		}
		d = Pending
	} else if g.EndedNothing() {
		g.Death = asked
		g.Unverified, g.IfStored = true, true
	} else {
		g.Unverified, g.IfStored = false, false // the store had it
		a.Ended.Add(1)
	}
	g.Pending = d == Pending
	_, err = s.enter(ctx, *g)
	s.all.written(g.ID)
	switch {
	case err != nil:
		return d, err
	case untold == nil:
		told := d == Durable && !g.EndedNothing() && !toAll     // another layout may have been seen meanwhile
		homeAway := d == Pending && recordid.IsRevocation(g.ID) // and other shards may be there
		if told || homeAway {
			s.tellOthersLater(*g)
		}
		return d, nil
	}
	s.tellLater(*g)
	return Pending, nil
}

// endNow writes a tombstone into the store and, at the same time, into the log of this
// process. The caller removes it from telling when it is in the journal. endNow sends the
// tombstone once even if the breaker is open. The second error says that the log lacks the
// tombstone, or that a shard's log gets it later.
func (s *Shard) endNow(ctx context.Context, g *journal.Tombstone, over record.Version) (err, untold error) {
	c, closed := s.all.AllowSave(ctx, g.ID)
	if closed != nil {
		c = s.bypass(g.ID)
		c.Patient = false
	}
	mayEndNothing := g.IfLive || g.IfStored
	if mayEndNothing || closed != nil {
		err = s.all.writeTombstone(ctx, c, g, over)
		if err == nil && !g.EndedNothing() {
			s.all.telling.add(g)
			untold = s.tell(ctx, *g)
		}
		return err, untold
	}
	beside := make(chan error, 1)
	entry := *g
	s.all.telling.add(g)
	go func() { beside <- s.tell(ctx, entry) }()
	err = s.all.writeTombstone(ctx, c, g, over)
	untold = <-beside
	if asked := entry.Death; untold == nil && g.Death != asked {
		s.all.telling.add(g)
		untold = s.tell(ctx, *g) // another writer's tombstone stood there
	}
	return err, untold
}

// Tombstone returns the tombstone of a session, if this process knows that it has ended.
// Without a backup it knows of none.
func (a *Shards) Tombstone(id string) (journal.Tombstone, bool) {
	if a.JournalBytes == 0 {
		return journal.Tombstone{}, false
	}
	return a.journal.Tombstone(id)
}

// LoginRevoked reports whether this process knows that the login to a session was revoked, as
// Journal.LoginRevoked of package journal does.
func (a *Shards) LoginRevoked(st state.State) (d state.Death, dead bool) {
	if a.JournalBytes == 0 || a.Without.Lacks(mechanism.Users) {
		return d, false
	}
	return a.journal.LoginRevoked(st)
}

// Forgotten reports whether the tombstone of k has expired everywhere: the store had it and
// has dropped it since. A tombstone that the store never had lives until the session itself
// would have ended.
func (a *Shards) Forgotten(k state.Superseded) bool {
	return a.Clock.Now().After(k.Dot.Time().Add(a.LifeOf(k)))
}

// LifeOf returns for how long the tombstones of sessions that have ended are needed.
func (a *Shards) LifeOf(ended ...state.Superseded) time.Duration {
	for _, k := range ended {
		if pending := !k.Durable && !k.IfStored; pending {
			return max(a.TombstoneLife, a.Lifetime)
		}
	}
	return a.TombstoneLife
}

// Learn enters into the journal a tombstone that another process has written into the store
// and into its own log.
func (a *Shards) Learn(ctx context.Context, id string, d state.Death) {
	t := journal.Stored(id, d)
	t.From = revoked.Unnumbered
	a.learn(ctx, t)
}

// Wrote enters into the journal, and into the log of this process, a tombstone that this
// process has written into the store. It does not wait for the log. The caller cannot write
// the log at the same time as the store, as endNow does: a save over a version may conflict
// with another writer's and be given up, and nothing can be removed from a log.
func (a *Shards) Wrote(ctx context.Context, id string, d state.Death) {
	a.learn(ctx, journal.Stored(id, d))
}

func (a *Shards) learn(ctx context.Context, t journal.Tombstone) {
	if a.JournalBytes == 0 {
		a.wake(t.ID)
		return
	}
	_ = a.Of(t.ID).AddTombstone(ctx, t)
}

// wake wakes the goroutines that wait for the end of the session with this tombstone, or all
// of them if the tombstone is a user's.
func (a *Shards) wake(id string) {
	if recordid.IsRevocation(id) {
		a.Waiting.WakeAll()
		return
	}
	a.Waiting.Wake(id)
}

// goesEverywhere reports whether the tombstone of an ID goes into the logs of all shards: if
// layouts differ, or if it revokes a user, whose sessions may be on any shard. So an instance
// that reaches the shard of a session knows whether the session is revoked.
func (a *Shards) goesEverywhere(id string) bool {
	return a.tellsAll() || recordid.IsRevocation(id) && !a.Without.Lacks(mechanism.EveryShard)
}

// tell puts a tombstone into this process's log in the shard, or in all shards, see
// goesEverywhere, and returns once it is stored there. Other shards that do not serve get it
// when they are back, and the error wraps errToldLater.
func (s *Shard) tell(ctx context.Context, g journal.Tombstone) error {
	if !s.all.goesEverywhere(g.ID) {
		return s.members.log.tell(ctx, g)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	now := s.all.Clock.Now()
	s.all.forShards(func(o *Shard) {
		if o != s && o.status(now).State != Serving {
			o.members.log.tellLater(journal.Compact(g))
			mu.Lock()
			defer mu.Unlock()
			all = errors.Join(all, errToldLater)
			return
		}
		wg.Go(func() {
			err := o.members.log.tell(ctx, g)
			mu.Lock()
			defer mu.Unlock()
			all = errors.Join(all, err)
		})
	})
	wg.Wait()
	return all
}

// errToldLater says that a shard's log gets the tombstone later, because the shard does not
// serve now: an instance that reaches that shard alone does not hear of the tombstone yet.
var errToldLater = fmt.Errorf("%w: a shard whose log is to have the tombstone is away", failure.ErrUnavailable)

// tellLater has a tombstone put into the log of the shard by tellRest, or into the logs of all
// shards, see goesEverywhere.
func (s *Shard) tellLater(g journal.Tombstone) {
	s.all.lackLog(s, journal.Compact(g))
	s.tellOthersLater(g)
}

// lackLog has tellRest put a tombstone into the log of the shard s, or, if the store has no
// such shard any more, into the log of the shard that has the session now.
func (a *Shards) lackLog(s *Shard, x revoked.Tombstone) {
	for !s.members.log.tellLater(x) {
		s = a.Of(x.Record())
	}
	s.signal()
}

// tellSoon puts what the log lacks into it at once, because the shard has just answered and
// the delivery loop may be busy.
func (s *Shard) tellSoon() {
	a := s.all
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || !s.members.log.tellSoon() {
		s.signal()
		return
	}
	a.wg.Go(func() {
		if s.members.log.tellNow(a.ctx) != nil {
			s.signal()
		}
	})
}

// tellOthersLater has a tombstone put into the logs of the other shards, see goesEverywhere.
func (s *Shard) tellOthersLater(g journal.Tombstone) {
	if !s.all.goesEverywhere(g.ID) {
		return
	}
	s.all.forShards(func(o *Shard) {
		if o != s {
			o.members.log.tellLater(journal.Compact(g)) // false: a dropped shard needs no log
			o.signal()
		}
	})
}

// tellPendingUsers has the revocations of users that other shards have not taken yet put into
// the log of a shard that has lost its memory. The log is written again from the revocation
// set, which has only what a shard had.
func (s *Shard) tellPendingUsers() {
	s.all.forShards(func(o *Shard) {
		if o == s {
			return
		}
		for _, t := range s.all.journal.PendingTombstones(o.name) {
			if recordid.IsRevocation(t.ID) {
				s.members.log.tellLater(journal.Compact(t))
			}
		}
	})
}
