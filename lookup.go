package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// lookup is one read of a session where there is a backup: what the store
// answered, what is known beside it, and the facts that both come to. Package
// decide says what follows from them.
type lookup struct {
	m       *Manager
	id      ID
	witness witness // joined with what the journal holds
	facts   decide.Facts

	stored    stored
	err       error             // of the load, or else of reading the predecessor
	record    loaded            // what a live record comes to beside the copies
	tombstone journal.Tombstone // the tombstone that this process knows
	named     state.Dot         // of the tombstone that the visitor's cookie names
	inherited state.Entries     // what the predecessor leaves
}

// fetch asks the store, and tells what its answer means beside what the witness
// knows. There are three answers, never two: yes, no, and none. Where the
// request has ended, or the store has answered what this program cannot read,
// there is none, and no copy takes its place.
func (m *Manager) fetch(ctx context.Context, id ID, w witness, fresh bool) loaded {
	if m.backup == nil {
		var l loaded
		m.fetchAlone(ctx, id, fresh, &l)
		return l
	}
	mode := m.override().Mode
	if mode == StoreOnly {
		w = witness{}
	}
	q := lookup{m: m, id: id, witness: w}
	q.facts.Mode = decide.Mode(mode)
	q.facts.Foreign = m.foreign()
	q.ask(ctx, fresh)
	for {
		switch d := decide.Read(q.facts); d.Verdict {
		case decide.AskStore:
			q.ask(ctx, true) // it may be the cache that is behind
		case decide.ReadPredecessor:
			q.readPredecessor(ctx)
		default:
			return q.act(ctx, d)
		}
	}
}

// fetchAlone is fetch without a backup, into an l that knows nothing yet.
func (m *Manager) fetchAlone(ctx context.Context, id ID, fresh bool, l *loaded) {
	var r stored
	err := m.load(ctx, id, false, fresh, &r)
	l.version = r.version
	d := decide.Read(decide.Facts{Answer: answerOf(err, r.state.Dead()), Foreign: m.foreign()})
	if d.Verdict == decide.NoSession {
		l.phase = nobody
		return
	}
	l.ID = string(id)
	if d.Verdict == decide.Unknown {
		l.phase, l.err = unknown, err
		return
	}
	l.State = r.state
	if d.Verdict == decide.Dead {
		l.phase = dead
		return
	}
	l.phase, l.source = live, FromStore
	if m.foreign() {
		l.Saved = l.State.Entries.Latest()
	}
}

// ask loads the session and states the facts.
func (q *lookup) ask(ctx context.Context, fresh bool) {
	m, s, f := q.m, q.m.shardOf(q.id), &q.facts
	if b, ok := s.journal.Copy(string(q.id)); ok {
		q.witness.add(b, m.now())
	}
	switch {
	case !q.witness.found:
		f.Copy = decide.NoCopy
	case m.vouches(q.witness):
		f.Copy = decide.Vouches
	default:
		f.Copy = decide.Stale
	}
	vouched := f.Copy == decide.Vouches && f.Mode != decide.StoreOnly
	sent := m.now()
	q.stored = stored{}
	q.err = m.load(ctx, q.id, vouched, fresh, &q.stored)

	f.Answer = answerOf(q.err, q.stored.state.Dead())
	if f.Answer == decide.Record {
		q.compare(sent, fresh)
	}
	f.Quarantined = f.Answer == decide.Nothing && s.quarantined()
	f.Known = q.known()
	f.NeverStored = q.witness.Born
	f.Excused = q.witness.excused
	f.Predecessor = decide.Settled
	if slices.ContainsFunc(q.witness.Supersedes, func(k state.Superseded) bool { return k.Heir && !k.Durable }) {
		f.Predecessor = decide.Unread
	}
}

// answerOf is what a load came to, dead where it was of a tombstone.
func answerOf(err error, dead bool) decide.Answer {
	switch {
	case err == nil && dead:
		return decide.Tombstone
	case err == nil:
		return decide.Record
	case errors.Is(err, ErrNotFound):
		return decide.Nothing
	case isAway(err):
		return decide.StoreFailed
	}
	return decide.NoAnswer
}

// compare joins a live record with the copies, and states whether it lacks
// something. A store that was asked past its cache and says that a cache has
// answered all the same is not asked again.
func (q *lookup) compare(sent time.Time, fresh bool) {
	q.record = q.m.fetchStore(q.id, q.witness, q.stored, sent)
	if !q.record.lacking() {
		return
	}
	q.facts.Answer = decide.Behind
	askPastCache := q.stored.cached && !fresh
	if askPastCache && !q.record.State.Equal(q.stored.state) {
		q.facts.Answer = decide.CacheBehind
	}
}

// known states what this process and the visitor's tombstone cookie know of the
// session's end.
func (q *lookup) known() decide.Known {
	if g, ok := q.m.shardOf(q.id).journal.Tombstone(string(q.id)); ok {
		q.tombstone = g
		if g.IfStored {
			return decide.RevokedIfStored
		}
		return decide.Revoked
	}
	for _, k := range q.witness.ended {
		if ID(k.ID) == q.id {
			q.named = k.Dot
			return decide.Named
		}
	}
	if q.m.disowned(q.witness, q.err == nil) {
		return decide.Disowned
	}
	return decide.NotDead
}

// readPredecessor reads the session that this one took over from. Whether this
// one may live is known then.
func (q *lookup) readPredecessor(ctx context.Context) {
	q.inherited, q.err = q.m.inherit(ctx, q.witness.Copy)
	switch {
	case q.err == nil:
		q.facts.Predecessor = decide.Settled
	case errors.Is(q.err, ErrEnded):
		q.facts.Predecessor = decide.EndedByOther
	case isAway(q.err):
		q.facts.Predecessor = decide.OutOfReach
	default:
		q.facts.Predecessor = decide.Undecided
	}
}

// act does what the decision says.
func (q *lookup) act(ctx context.Context, d decide.Decision) loaded {
	if d.Effects&decide.ReportStale != 0 {
		q.m.fault(ctx, q.id, BackupStale, errStale)
	}
	switch d.Verdict {
	case decide.Live:
		return q.record
	case decide.Serve, decide.Restore:
		return q.fromCopy(d)
	case decide.Dead:
		return q.dead(ctx, d)
	case decide.NoSession:
		return loaded{phase: nobody, version: q.stored.version}
	default: // unknown; fetch has done what the other verdicts ask for
	}
	l := loaded{phase: unknown, Copy: state.Copy{ID: string(q.id)}, err: q.err}
	switch d.Cause {
	case decide.Forgetful:
		l.err = errForgetful
	case decide.UnknownKey:
		l.err = errExcused
	default: // the error of the load, or of reading the predecessor
	}
	return l
}

// fromCopy is what copies that vouch come to, where the store has no record or
// nobody knows whether it has one.
func (q *lookup) fromCopy(d decide.Decision) loaded {
	l := loaded{phase: live, Copy: q.witness.Copy, version: q.stored.version, source: FromBackup, placement: missing}
	l.State = revive(q.stored, q.witness.State)
	l.State.Entries = state.JoinEntries(l.State.Entries, q.inherited)
	if d.Effects&decide.Degraded != 0 {
		q.m.health.degraded.Add(1)
		l.awaySince = q.m.now()
	}
	return l
}

// dead is a session that has ended, with the tombstone that the cause names.
func (q *lookup) dead(ctx context.Context, d decide.Decision) loaded {
	s := q.m.shardOf(q.id)
	l := loaded{phase: dead, Copy: state.Copy{ID: string(q.id)}, version: q.stored.version}
	switch d.Cause {
	case decide.BySet:
		g := q.tombstone
		if d.Effects&decide.WriteTombstone != 0 {
			g.Again = g.Again || !g.Pending && !g.IfStored // the store had it, and lost it
			g.Pending = true
			_ = s.bury(ctx, g)
		}
		l.State.Death = g.Death
	case decide.ByCookie:
		l.State.Death = state.Death{Dot: q.named, Reason: state.Destroyed}
	case decide.ByStore:
		l.State = q.stored.state
		if d.Effects&decide.Learn != 0 {
			_ = s.bury(ctx, journal.Tombstone{ID: string(q.id), Death: l.State.Death})
		}
	case decide.ByPredecessor:
		return q.m.end(ctx, q.id, q.stored.version)
	default: // the other causes are of other verdicts
	}
	return l
}

// fetchStore is what a record of the store comes to, beside the backup.
func (m *Manager) fetchStore(id ID, w witness, r stored, sent time.Time) loaded {
	st := r.state
	l := loaded{
		phase: live, version: r.version, source: FromStore,
		Copy: state.Copy{ID: string(id), State: st, Confirmed: sent.UnixMilli(), Saved: st.Entries.Latest()},
	}
	if r.cached {
		l.Confirmed = w.Confirmed
	}
	if w.found {
		l.State = state.Join(st, m.settled(w.State, w.Saved, st))
		l.Supersedes = state.MarkDurable(w.Supersedes)
		seenLater := l.State.LastSeen-st.LastSeen >= m.options.Refresh.Milliseconds()
		if seenLater || !l.State.Equal(st) {
			l.lack()
			l.Saved = min(l.Saved, w.Saved)
		}
	}
	return l
}

// revive returns what is known of a session that the store does not have, or
// takes for expired because it lacks its last use.
func revive(r stored, st state.State) state.State {
	if r.version == Absent {
		return st
	}
	return state.Join(r.state, st)
}

// inherit is mayRestore within the bounds of a load.
func (m *Manager) inherit(ctx context.Context, b state.Copy) (state.Entries, error) {
	if !m.restores.Allow(m.now(), m.backup.Restores) {
		return nil, errAway
	}
	return m.mayRestore(ctx, b, true)
}

// end is for a session that has to be dead, because the one that it came from is.
func (m *Manager) end(ctx context.Context, id ID, v Version) loaded {
	tombstone := m.tombstone(state.Revoked)
	_ = m.shardOf(id).bury(ctx, journal.Tombstone{ID: string(id), Death: tombstone.Death, Pending: true})
	return loaded{phase: dead, Copy: state.Copy{ID: string(id), State: tombstone}, version: v}
}

// disowned tells whether the session has its values from one that another hand
// has ended: its own visitor, or anybody where the store does not have it yet.
func (m *Manager) disowned(w witness, stored bool) bool {
	for _, k := range w.Supersedes {
		if !k.Heir || m.without&killLists != 0 {
			continue
		}
		for _, e := range w.ended {
			if e.ID == k.ID && e.Dot != k.Dot && !e.IfLive {
				return true
			}
		}
		if g, ok := m.shardOf(ID(k.ID)).journal.Tombstone(k.ID); ok && !stored && !k.Durable && g.ByOtherWriter(k) {
			return true
		}
	}
	return false
}
