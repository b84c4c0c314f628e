package members

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// young is the age up to which a process that sees a members record for the first
// time assumes that the shard has just lost its memory.
const young = time.Minute

// snapshotAge is how many minutes a snapshot of the shard may be younger than the last
// writing of the members record in it: each member writes once a minute. One more is for
// clocks that differ.
const snapshotAge = 3

// meet compares the members record, nil if there is none, with what this process remembers,
// and notes a loss.
func (s *Shard) meet(m *revoked.Members, r *Result) {
	v := &s.view
	before := v.seen
	old := false // m is what the shard went back to
	v.seen = nil
	if m != nil {
		v.seen = m.Clone()
		s.noteTime(m)
	}
	s.mu.Lock()
	restarted := s.restarted && before != nil
	s.restarted = false
	s.mu.Unlock()
	switch {
	case before == nil:
		r.Lost = r.Lost || m == nil || s.Now().Sub(time.UnixMilli(m.Made)) <= young
		return
	case m == nil:
	case m.Value != before.Value && m.Made >= before.Made:
		v.restore = nil // another member has noticed first
	case m.Value != before.Value || m.Sequence < before.Sequence || s.rowWentBack(m):
		old = true
		s.wentBack(m, r)
		v.restore = revoked.JoinMembers(m, before)
		rand.Read(v.value[:])
	case !restarted:
		s.missOwnRow(m)
		return
	}
	r.Lost, r.Known = true, true
	v.nothingBefore = max(v.nothingBefore, s.believed(before.NothingBefore))
	names := before.Rows
	if old {
		names = v.restore.Rows
	}
	s.noteLoss(names)
}

// rowWentBack reports whether this process's row is older than what it wrote last, or missing. If
// this process was silent for long, others may have removed its row; that is no loss.
func (s *Shard) rowWentBack(m *revoked.Members) bool {
	wrote := s.view.wrote
	if wrote.Log == (revoked.LogName{}) {
		return false
	}
	row := m.Find(wrote.Log)
	if row == nil {
		return m.Minute <= wrote.Renewed+aliveFor // otherwise the last writer may have removed the row
	}
	return row.Next < wrote.Next || row.Renewed < wrote.Renewed
}

// missOwnRow has this process's log written anew if other members have removed its row while
// this process was silent: they may have rescued only a part of the log.
func (s *Shard) missOwnRow(m *revoked.Members) {
	v := &s.view
	if v.wrote.Log == (revoked.LogName{}) || m.Find(v.wrote.Log) != nil {
		return
	}
	s.mu.Lock()
	current := v.wrote.Log == s.reach.name
	s.mu.Unlock()
	v.rewrite = v.rewrite || current
	v.wrote = revoked.Row{}
}

// wentBack notes that the shard went back in time, to when m was current. If that is longer
// ago than a tombstone lives, all processes have forgotten the tombstones of the time between,
// and no record of a session that was last used before counts.
func (s *Shard) wentBack(m *revoked.Members, r *Result) {
	r.Snapshot, _ = s.latest(m)
	if r.Snapshot != 0 && s.wayBack(m) > int64(s.lifeMinutes()) {
		s.view.nothingBefore = max(s.view.nothingBefore, r.Snapshot+snapshotAge)
	}
}

// noteLoss has this process write its log again at once, and later the tombstones that are in
// no other member's log. By then every member has written its own log under a new name, so
// the names from before the loss belong to members that are gone.
func (s *Shard) noteLoss(before []revoked.Row) {
	v := &s.view
	v.rewrite = true
	v.wrote = revoked.Row{}
	v.lost = make(map[revoked.LogName]bool)
	for _, row := range before {
		v.lost[row.Log] = true
	}
	i := s.Interval()
	v.orphansAt = s.Now().Add(3*i/2 + mathrand.N(i/2)) // by the clocks of all members this differs by an interval anyway
}
