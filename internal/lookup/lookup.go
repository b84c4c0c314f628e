// Package lookup reads sessions: it asks the store, collects what is known beside the
// answer, and carries out the decision of package decide. It also puts expiries off,
// follows rotations, and waits for the end of a session.
//
// Where to look: a [Reader] reads (reader.go), by a lookup that asks and decides (lookup.go)
// and acts (act.go), and returns a [Loaded] (loaded.go); [Known] is what is known before the
// store is asked (known.go); refresh.go puts expiries off, rotation.go follows rotations, and
// until.go waits for the end. state.RotationGrace is how long a rotated token still works.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// lookup is one read of a session with a backup: the store's answer, what is known
// beside it, and both as facts for package decide.
type lookup struct {
	reader *Reader
	shard  *failover.Shard // the shard that had the session at the last load
	id     string
	known  Known // joined with what the journal holds
	lease  int64 // the lease of copies that the operator does not trust now
	facts  decide.Facts
	looks  bool // it is no use of the session, see Look

	stored          record.Session
	err             error             // the error of the load, or else of reading the predecessor
	record          Loaded            // a live record joined with the copies
	tombstone       journal.Tombstone // the tombstone that this process knows
	named           state.Dot         // the dot of the tombstone that the visitor's cookie names
	loggedOut       state.Death       // the death by the revocation of the user
	loginOf         state.State       // the state with the login that the revocation concerns
	fromPredecessor state.Entries     // the predecessor's entries that this session takes over
}

// Settled returns the part of an older copy that still counts beside record, the
// store's state. saved is the clock up to which the store has had the copy's
// entries.
func (r *Reader) Settled(old state.State, saved uint64, record state.State) state.State {
	if !r.Foreign {
		return old
	}
	return foreign.Settled(old, saved, record)
}

// ErrExcused is the error of a load that cannot tell whether there is a session,
// because the visitor's copy is sealed with a key that is not known here.
var ErrExcused = fmt.Errorf("%w: a backup is sealed with a key that is not known here", failure.ErrUnavailable)

// Fetch asks the store and returns what its answer means beside w: there is a
// session, there is none, or it is unknown. If the request has ended or this program
// cannot read the store's record, it is unknown, and no copy takes the store's place.
func (r *Reader) Fetch(ctx context.Context, id string, w Known, fresh bool) (l Loaded) {
	r.FetchInto(ctx, id, w, fresh, &l)
	return l
}

// Look is Fetch past all caches, for a caller that only looks: the session was last used when
// the store says, however long ago that is.
func (r *Reader) Look(ctx context.Context, id string) (l Loaded) {
	if !r.Backup {
		var got record.Session
		err := r.Storage.Load(ctx, id, false, true, &got)
		got = got.AsNoted()
		r.decideAlone(ctx, id, &got, err, &l)
		return l
	}
	q := lookups.Get().(*lookup)
	q.begin(r, id, Known{})
	q.looks = true
	q.run(ctx, true, &l)
	return l
}

// FetchInto is Fetch. l is zero before it.
func (r *Reader) FetchInto(ctx context.Context, id string, w Known, fresh bool, l *Loaded) {
	if !r.Backup {
		r.FetchAlone(ctx, id, fresh, l)
		return
	}
	q := lookups.Get().(*lookup)
	q.begin(r, id, w)
	q.run(ctx, fresh, l)
}

// run asks until there is a decision, carries it out and gives q back.
func (q *lookup) run(ctx context.Context, fresh bool, l *Loaded) {
	q.ask(ctx, fresh)
	for {
		switch d := decide.Read(q.facts); d.Verdict {
		case decide.AskStore:
			q.ask(ctx, true) // the cache may be behind the store
		case decide.ReadPredecessor:
			q.readPredecessor(ctx)
		default:
			q.end(ctx, d, l)
			return
		}
	}
}

// lookups is a pool. A lookup is 1 KB, too large for the stack of a request that waits for the
// store while the collector scans it.
var lookups = sync.Pool{New: func() any { return new(lookup) }}

// begin makes q the lookup of a session of which w is known.
func (q *lookup) begin(r *Reader, id string, w Known) {
	q.reader, q.id, q.known = r, id, w
	q.facts = decide.Facts{Mode: r.Mode(), Foreign: r.Foreign}
	if q.facts.Mode == decide.StoreOnly {
		q.lease = w.Copy().Confirmed
		q.known = Known{}
	}
}

// end carries out the decision, and gives q back. Like learn it is not inlined, so that its
// variables are not on the stack of a request that waits for the store.
//
//go:noinline
func (q *lookup) end(ctx context.Context, d decide.Decision, l *Loaded) {
	*l = q.act(ctx, d)
	*q = lookup{}
	lookups.Put(q)
}

// FetchAlone is Fetch without a backup. l is zero before it.
func (r *Reader) FetchAlone(ctx context.Context, id string, fresh bool, l *Loaded) {
	var got record.Session
	err := r.Storage.Load(ctx, id, false, fresh, &got)
	r.decideAlone(ctx, id, &got, err, l)
}

// decideAlone makes l of what the store answered. Its variables are not on the stack of a
// request that waits for the store.
//
//go:noinline
func (r *Reader) decideAlone(ctx context.Context, id string, got *record.Session, err error, l *Loaded) {
	l.Version = got.Version
	d := decide.Read(decide.Facts{Answer: answerOf(err, got.State.Dead()), Foreign: r.Foreign})
	if d.Verdict == decide.NoSession {
		l.Phase = Nobody
		r.sawExpired(ctx, id, got.State)
		return
	}
	l.ID = id
	if d.Verdict == decide.Unknown {
		l.Phase, l.Err = Unknown, err
		return
	}
	l.State = got.State
	if d.Verdict == decide.Dead {
		l.Phase = Dead
		return
	}
	l.Phase, l.Source = Live, FromStore
	if r.Foreign {
		l.Saved = l.State.Entries.Latest()
	}
}

// ask loads the session and sets the facts.
func (q *lookup) ask(ctx context.Context, fresh bool) {
	r := q.reader
	q.shard = r.Shards.Of(q.id) // the store's layout may have changed since the load before
	sent := r.Clock.Now()
	q.recall(sent)
	vouched := q.facts.Copy == decide.Vouches && q.facts.Mode != decide.StoreOnly
	confirms := q.shard.Confirms(sent)
	q.stored = record.Session{}
	q.err = r.Storage.Load(ctx, q.id, vouched, fresh, &q.stored)
	if q.looks {
		q.stored = q.stored.AsNoted()
	}
	q.learn(ctx, sent, fresh, confirms)
}

// recall joins in what the journal knows, and sets the facts about the copies.
//
//go:noinline
func (q *lookup) recall(now time.Time) {
	if b, ok := q.shard.Copy(q.id); ok {
		held := b // so that b is on the heap only if there is one
		q.known.Add(&held, now)
	}
	switch {
	case !q.known.Found:
		q.facts.Copy = decide.NoCopy
	case q.reader.vouches(q.known.Copy(), now):
		q.facts.Copy = decide.Vouches
	default:
		q.facts.Copy = decide.Stale
	}
}

// learn sets the facts about the store's answer. The load was sent at that time, when the
// shard confirmed leases or did not.
//
//go:noinline
func (q *lookup) learn(ctx context.Context, sent time.Time, fresh, confirms bool) {
	f, s := &q.facts, q.shard
	f.Answer = answerOf(q.err, q.stored.State.Dead())
	if f.Answer == decide.Record {
		q.compare(sent, fresh, confirms)
		q.share(ctx)
	}
	known := q.known.Copy()
	f.Quarantined = f.Answer == decide.Nothing && s.Quarantined()
	f.Unwritable = !confirms && s.UnwritableFor(q.reader.Lease())
	f.Known = q.knownEnd()
	if f.Known == decide.RotatedLately && f.Answer != decide.Tombstone && q.stored.Cached && !fresh {
		f.Answer = decide.CacheBehind
	}
	f.NeverStored = known.Born
	f.Excused = q.known.Excused
	f.Predecessor = decide.Settled
	if slices.ContainsFunc(known.Supersedes, func(k state.Superseded) bool { return k.Predecessor && !k.Durable }) {
		f.Predecessor = decide.Unread
	}
}

// answerOf returns the outcome of a load. dead says that the load found a tombstone.
func answerOf(err error, dead bool) decide.Answer {
	switch {
	case err == nil && dead:
		return decide.Tombstone
	case err == nil:
		return decide.Record
	case errors.Is(err, failure.ErrNotFound):
		return decide.Nothing
	case failure.IsAway(err):
		return decide.StoreFailed
	}
	return decide.NoAnswer
}

// compare joins a live record with the copies and sets the answer to whether the
// record lacks something. A store that was asked past its cache, and reports a
// cached answer all the same, is not asked again. A cached record confirms no lease,
// nor does one of a store that takes no saves, since no end of the session reaches it. Then the
// lease stays that of the copies, in StoreOnly mode too, so that a later outage can be served
// from a new copy.
func (q *lookup) compare(sent time.Time, fresh, confirms bool) {
	behind := q.joinRecord(sent)
	if q.known.Copy().Born {
		q.shard.Found(q.id)
	}
	if q.stored.Cached || !confirms {
		q.record.Confirmed = max(q.known.Copy().Confirmed, q.lease)
	}
	if !behind {
		return
	}
	q.facts.Answer = decide.Behind
	askPastCache := q.stored.Cached && !fresh
	if askPastCache && !q.record.State.Equal(q.stored.State) {
		q.facts.Answer = decide.CacheBehind
	}
}

// share keeps the store's record for other requests of the session that are running and may
// have read an older one: if the store stops answering, they make their changes on the newest
// state that any request of this process has read. With a foreign format it keeps nothing,
// because the dots do not show which part is newer.
func (q *lookup) share(ctx context.Context) {
	r := q.reader
	if r.Foreign || !r.InUse.News(q.id, q.stored.Version) {
		return
	}
	c := q.record.Copy
	c.State = q.stored.State
	q.shard.Keep(ctx, c)
}

// knownEnd returns what this process and the visitor's tombstone cookie know of
// the session's end.
func (q *lookup) knownEnd() decide.Known {
	if g, ok := q.shard.Tombstone(q.id); ok {
		q.tombstone = g
		if g.IfStored {
			return decide.RevokedIfStored
		}
		if g.LeadsByStore(q.reader.Clock.Now()) {
			return decide.RotatedLately
		}
		return decide.Revoked
	}
	for _, k := range q.known.Ended {
		if k.ID == q.id {
			q.named = k.Dot
			return decide.Named
		}
	}
	if q.loginRevoked() {
		return decide.LoginRevoked
	}
	if q.reader.supersededElsewhere(q.known, q.err == nil) {
		return decide.SupersededElsewhere
	}
	return decide.NotDead
}

// loginRevoked reports whether the login to the session was revoked: the login in the join of
// the store's record and the copies, or in the copies alone if there is no live record.
func (q *lookup) loginRevoked() (dead bool) {
	st := q.known.Copy().State
	switch {
	case q.err == nil && !q.stored.State.Dead():
		st = q.record.State
	case !q.known.Found:
		return false
	}
	q.loginOf = st
	q.loggedOut, dead = q.reader.Shards.LoginRevoked(st)
	return dead
}

// readPredecessor reads the session that this one took over from, which decides
// whether this one may live.
func (q *lookup) readPredecessor(ctx context.Context) {
	q.fromPredecessor, q.err = q.reader.mergePredecessor(ctx, *q.known.Copy())
	switch {
	case q.err == nil:
		q.facts.Predecessor = decide.Settled
	case errors.Is(q.err, failure.ErrEnded):
		q.facts.Predecessor = decide.EndedByOther
		q.facts.Known = q.knownEnd() // the logs may have said just now how this session itself has ended
	case failure.IsAway(q.err):
		q.facts.Predecessor = decide.OutOfReach
	default:
		q.facts.Predecessor = decide.Undecided
	}
}

// joinRecord makes the record of the store's live one, joined with the copies, and reports
// whether the store's lacks something that they have.
func (q *lookup) joinRecord(sent time.Time) (behind bool) {
	l, st := &q.record, q.stored.State
	*l = Loaded{
		Phase: Live, Version: q.stored.Version, Source: FromStore,
		Copy: state.Copy{ID: q.id, State: st, Confirmed: sent.UnixMilli(), Saved: st.Entries.Latest()},
	}
	if !q.known.Found {
		return false
	}
	r, known := q.reader, q.known.Copy()
	l.State = state.Join(st, r.Settled(known.State, known.Saved, st))
	l.Supersedes = state.MarkDurable(known.Supersedes)
	seenLater := l.State.LastSeen-st.LastSeen >= r.Storage.RefreshOf(&st).Milliseconds()
	if behind = seenLater || !l.State.Equal(st); behind {
		l.Saved = min(l.Saved, known.Saved)
	}
	return behind
}

// mergePredecessor is failover's PrepareRestore for a load, within the limit of
// restores.
func (r *Reader) mergePredecessor(ctx context.Context, b state.Copy) (state.Entries, error) {
	if !r.Shards.AllowRestore() {
		return nil, failure.ErrNotAsked
	}
	return r.Shards.PrepareRestore(ctx, b, true)
}

// supersededElsewhere reports whether another writer has ended the session's
// predecessor: the visitor, by the tombstone cookie, or any writer while the store
// does not have the session yet.
func (r *Reader) supersededElsewhere(w Known, stored bool) bool {
	for _, k := range w.Copy().Supersedes {
		if !k.Predecessor || r.Without.Lacks(mechanism.Superseded) {
			continue
		}
		for _, e := range w.Ended {
			if e.ID == k.ID && e.Dot != k.Dot && !e.IfLive {
				return true
			}
		}
		if g, ok := r.Shards.Of(k.ID).Tombstone(k.ID); ok && !stored && !k.Durable && g.ByOtherWriter(k) {
			return true
		}
	}
	return false
}
