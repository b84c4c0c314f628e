package lookup

import (
	"context"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// act carries out the decision.
func (q *lookup) act(ctx context.Context, d decide.Decision) Loaded {
	if d.Effects&decide.ReportStale != 0 {
		q.reader.Stale(ctx, q.id)
	}
	switch d.Verdict {
	case decide.Live:
		if d.Effects&decide.Repair != 0 {
			q.record.Lack()
		}
		return q.record
	case decide.Serve, decide.Restore:
		return q.fromCopy(d)
	case decide.Dead:
		return q.dead(ctx, d)
	case decide.NoSession:
		q.reader.sawExpired(ctx, q.id, q.latest())
		return Loaded{Phase: Nobody, Version: q.stored.Version}
	default: // unknown; Fetch has done what the other verdicts ask for
	}
	l := Loaded{Phase: Unknown, Copy: state.Copy{ID: q.id}, Err: q.err}
	switch d.Cause {
	case decide.Forgetful:
		l.Err = failure.ErrForgetful
	case decide.TooLongUnwritable:
		l.Err = failure.ErrUnwritable
	case decide.UnknownKey:
		l.Err = ErrExcused
	default: // the error of the load, or of reading the predecessor
	}
	return l
}

// fromCopy returns the session from copies that vouch, if the store has no record or did not
// answer. A record that was loaded, but does not prove that the session lives, is joined in,
// so that later changes are made on everything that this process knows.
func (q *lookup) fromCopy(d decide.Decision) Loaded {
	l := Loaded{Phase: Live, Copy: *q.known.Copy(), Version: q.stored.Version, Source: FromBackup, Placement: Missing}
	known := l.State
	if failure.IsAway(q.err) && q.stored.Version != record.Absent {
		known = q.reader.Settled(known, l.Saved, q.stored.State)
	}
	l.State = q.stored.Revive(known)
	l.State.Entries = state.JoinEntries(l.State.Entries, q.fromPredecessor)
	q.joinPredecessor(&l)
	if d.Effects&decide.Degraded != 0 {
		q.reader.Degraded.Add(1)
		l.AwaySince = q.reader.Clock.Now()
	}
	return l
}

// joinPredecessor joins in what this process knows of the session that l took over from, which
// another instance has renewed and the store has not ended yet: requests under the old token
// may have changed it here since.
func (q *lookup) joinPredecessor(l *Loaded) {
	if q.reader.Without.Lacks(mechanism.Superseded) {
		return
	}
	for _, k := range q.known.Copy().Supersedes {
		if !k.Predecessor || k.Durable {
			continue
		}
		if b, known := q.reader.Shards.Copy(k.ID); known {
			l.State.Entries = state.JoinEntries(l.State.Entries, b.State.Entries)
		}
	}
}

// dead returns a session that has ended, with the tombstone that the cause names.
func (q *lookup) dead(ctx context.Context, d decide.Decision) Loaded {
	l := Loaded{Phase: Dead, Copy: state.Copy{ID: q.id}, Version: q.stored.Version}
	switch d.Cause {
	case decide.BySet:
		g := q.tombstone
		if d.Effects&decide.WriteTombstone != 0 {
			_ = q.shard.AddTombstone(ctx, g.Missing())
		}
		l.State.Death = g.Death
		if stored := q.stored.State; q.err == nil && stored.Dead() {
			// The store's link may still lead to the successor; this process has dropped it.
			l.State.Death = state.JoinDeaths(g.Death, stored.Death)
		}
	case decide.ByCookie:
		l.State.Death = state.Death{Dot: q.named, Reason: state.Destroyed}
	case decide.ByStore:
		l.State = q.stored.State
		if d.Effects&decide.Learn != 0 {
			q.reader.Shards.Learn(ctx, q.id, l.State.Death)
		}
	case decide.ByLogin:
		l.State.Death = q.loggedOut
		q.reader.Audit.Saw(ctx, q.id, q.loginOf, audit.Revocation)
	case decide.ByPredecessor:
		return q.reader.endWithPredecessor(ctx, q.id, q.known.Copy().State, q.stored.Version)
	default: // the other causes are of other verdicts
	}
	return l
}

// latest joins an expired record with the copies that do not vouch.
func (q *lookup) latest() state.State {
	switch st := q.stored.State; {
	case st.Created == 0:
		return q.known.Copy().State
	case q.known.Found:
		return state.Join(st, q.known.Copy().State)
	default:
		return st
	}
}

// sawExpired reports to the audit log that a session has expired, if the store or a copy still
// has its state.
func (r *Reader) sawExpired(ctx context.Context, id string, st state.State) {
	if r.Audit != nil && st.Created != 0 && r.Storage.Expired(st, r.Clock.Now()) {
		r.Audit.Saw(ctx, id, st, audit.Time)
	}
}

// Ended reports to the audit log that this process has ended the session id, which was l before,
// and the sessions that line names.
func (r *Reader) Ended(ctx context.Context, id string, l Loaded, line []state.Superseded, by audit.By, d failover.Durability) {
	if l.ID != "" {
		id = l.ID
	}
	if l.Phase == Unknown {
		r.Audit.EndUnread(ctx, id, line, by, d)
		return
	}
	r.Audit.End(ctx, id, l.State, line, by, d)
}

// endWithPredecessor ends a session because its predecessor was ended by another
// writer.
func (r *Reader) endWithPredecessor(ctx context.Context, id string, st state.State, v record.Version) Loaded {
	tombstone := state.State{Death: r.Clock.Death(state.Revoked)}
	r.Audit.Saw(ctx, id, st, audit.Predecessor)
	_ = r.Shards.Of(id).AddTombstone(ctx, journal.Owed(id, tombstone.Death))
	return Loaded{Phase: Dead, Copy: state.Copy{ID: id, State: tombstone}, Version: v}
}
