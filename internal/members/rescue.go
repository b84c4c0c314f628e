package members

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// rescue is what this process does about a log that has lost a segment and whose owner is
// gone or does not answer. Every process that has heard tombstones from that log writes
// them into a log of its own, unless another process has done so meanwhile.
type rescue struct {
	at   time.Time // when it is due
	end  time.Time // when every process has done so
	done bool
}

// rescueTime is how many intervals after a segment was asked for every process has written
// what it read in the log before.
const rescueTime = 5

// ownersTime is how many intervals a member has to write its own log anew. After that the
// others assume that it may have crashed, although its row still counts. A member that has
// just started waits ten intervals for a segment.
const ownersTime = 4

// keepUp makes sure that the store has all of this process's log, and that the log has the
// tombstones that no other log has any more.
func (s *Shard) keepUp(ctx context.Context, m *revoked.Members) error {
	v := &s.view
	limited, cancel := context.WithTimeout(ctx, s.Budget/2)
	defer cancel()
	if s.acquire(limited) != nil {
		return nil // Append has the token and will report the log; the row is written without it
	}
	defer s.release()
	v.rewrite = v.rewrite || m.Asks(s.own.name)
	now := s.Now()
	s.own.expire(minute(now) - min(minute(now), s.lifeMinutes()+1))
	if !v.rewrite {
		lost, err := s.lookAtNext(ctx)
		v.rewrite = lost
		if err != nil {
			return err
		}
	}
	if v.rewrite {
		s.writeAnew()
	}
	s.renewUsers(now)
	if orphaned := s.orphaned(m); orphaned != nil {
		s.adopt(orphaned)
	}
	err := s.enlarge(ctx)
	if errors.Is(err, errForeign) {
		v.rewrite = true
	}
	return err
}

// writeAnew begins a new log, with all tombstones of this process's log that the set still has.
func (s *Shard) writeAnew() {
	s.view.rewrite = false
	var all []revoked.Tombstone
	for t := range s.Set.All() {
		if t.From == revoked.Own {
			all = append(all, t)
		}
	}
	s.own = newLog()
	s.view.mine[s.own.name] = true
	s.own.add(all, minute(s.Now()), true)
}

// renewUsers adds the revocations of users to this process's log again before their block
// expires, because they are needed for longer than the block.
func (s *Shard) renewUsers(now time.Time) {
	if s.own.users == 0 || minute(now) < s.own.users+s.lifeMinutes()/2 {
		return
	}
	s.own.users = 0
	var all []revoked.Tombstone
	for t := range s.Set.All() {
		if t.Class != revoked.Users {
			break // the rest are later still
		}
		if t.From == revoked.Own && !s.isOver(t) {
			all = append(all, t)
		}
	}
	if len(all) > 0 {
		s.own.add(all, minute(now), true)
	}
}

// adopt adds to this process's log the tombstones of the set that are orphaned.
func (s *Shard) adopt(orphaned func(revoked.Tombstone) bool) {
	var all []revoked.Tombstone
	for t := range s.Set.All() {
		if t.From != revoked.Own && !s.isOver(t) && orphaned(t) {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		return
	}
	s.Set.SetOwn(all)
	s.own.add(all, minute(s.Now()), true)
}

// orphaned returns a function that reports whether a tombstone that is not from this process's
// log must be written into it now. It is nil if there can be no such tombstone.
func (s *Shard) orphaned(m *revoked.Members) func(revoked.Tombstone) bool {
	v := &s.view
	now := s.Now()
	due, users := s.dueRescues(m, now)
	if s.adoptionDue(m, now) {
		due = append(due, revoked.Unnumbered)
	}
	if v.orphansAt.IsZero() || now.Before(v.orphansAt) {
		if due == nil && !users {
			return nil
		}
		stand := s.standing(m, now)
		return func(t revoked.Tombstone) bool {
			// A user's revocation may have been heard last from a log of another shard.
			lost := users && t.Class == revoked.Users && !stand[t.From]
			return lost || slices.Contains(due, t.From)
		}
	}
	v.orphansAt = time.Time{}
	stand := s.standing(m, now)
	v.obsolete = make(map[revoked.LogName]bool)
	for name := range v.lost {
		rd := v.readers[name]
		v.obsolete[name] = rd != nil && !rd.fresh && len(rd.parts) == 0
	}
	return func(t revoked.Tombstone) bool { return !stand[t.From] || slices.Contains(due, t.From) }
}

// standing returns, by their numbers, which logs of this shard are in the members record and
// have an owner that is running.
func (s *Shard) standing(m *revoked.Members, now time.Time) (stand [revoked.Unnumbered + 1]bool) {
	for name, rd := range s.view.readers {
		row := m.Find(name)
		stand[rd.number] = row != nil && alive(*row, now) && !s.view.lost[name]
	}
	stand[revoked.Unnumbered] = false
	return stand
}

// adoptionDue reports whether it is time to write the tombstones that are in no known log. For
// two intervals they may still turn up in a log. After that the members take turns, so that
// most of them read the tombstones in the log of the first. If there are too many logs, and one
// has no number, nothing is adopted until the next call of Adopt: the tombstones of that log
// cannot be told apart from those that no log has.
func (s *Shard) adoptionDue(m *revoked.Members, now time.Time) bool {
	v := &s.view
	s.mu.Lock()
	wanted := s.unheld
	s.unheld = false
	s.mu.Unlock()
	if wanted && v.adoptAt.IsZero() {
		i := s.Interval()
		v.adoptAt = now.Add(2*i + mathrand.N(waits*i))
	}
	if v.adoptAt.IsZero() || now.Before(v.adoptAt) {
		return false
	}
	v.adoptAt = time.Time{}
	for name, rd := range v.readers {
		if rd.number == revoked.Unnumbered && m.Find(name) != nil {
			return false
		}
	}
	return true
}

// dueRescues returns the numbers of the logs that lack a segment and whose tombstones this
// process must now write, because their owners have not. users reports whether it must write the
// revocations of users from a log that has expired.
func (s *Shard) dueRescues(m *revoked.Members, now time.Time) (due []uint8, users bool) {
	v := &s.view
	names := s.endangered(m)
	for _, name := range names {
		row := m.Find(name)
		if row == nil || v.mine[name] {
			continue
		}
		r := v.rescues[name]
		if r == nil {
			i := s.Interval()
			began := now
			if alive(*row, now) {
				began = now.Add(ownersTime * i)
			}
			r = &rescue{at: began.Add(mathrand.N(2 * i)), end: began.Add(rescueTime * i)}
			v.rescues[name] = r
		}
		if !r.done && !now.Before(r.at) {
			r.done = true
			rd := v.readers[name]
			users = users || rd != nil && rd.users
			if rd != nil && m.Asks(name) {
				due = append(due, rd.number)
			}
		}
	}
	for name := range v.rescues {
		if !slices.Contains(names, name) {
			delete(v.rescues, name)
		}
	}
	return due, users
}

// endangered returns the logs of which a segment is asked for, and those that have expired
// before the revocations of users in them.
func (s *Shard) endangered(m *revoked.Members) []revoked.LogName {
	names := slices.Clone(m.Asked)
	for _, row := range m.Rows {
		if s.outlived(row) && !m.Asks(row.Log) {
			names = append(names, row.Log)
		}
	}
	return names
}

// outlived reports whether a log that has expired had revocations of users. Its row stays in
// the members record until a running member has them in its own log.
func (s *Shard) outlived(row revoked.Row) bool {
	rd := s.view.readers[row.Log]
	return rd != nil && rd.users && s.expired(row)
}

// wasRead reports whether all of a log was read, as far as the store has it.
func (s *Shard) wasRead(row revoked.Row) bool {
	rd := s.view.readers[row.Log]
	unasked := func(p *part) bool { return p.since.IsZero() }
	return rd != nil && !rd.fresh && !slices.ContainsFunc(rd.parts, unasked)
}

// ask asks in m for the segments that the store lacks.
func (s *Shard) ask(m *revoked.Members) {
	for name, rd := range s.view.readers {
		missing := func(p *part) bool { return !p.since.IsZero() && !p.alien }
		if m.Find(name) != nil && slices.ContainsFunc(rd.parts, missing) {
			m.Ask(name)
		}
	}
}

// tidy removes from m what is no longer needed: logs whose tombstones have expired, were
// rescued, or were written again after a loss; rows of members that are gone and have left no
// tombstones; and requests for segments of logs that m does not name.
func (s *Shard) tidy(m *revoked.Members) {
	now := s.Now()
	s.mu.Lock()
	settled := s.reach.settled
	s.mu.Unlock()
	m.Rows = slices.DeleteFunc(m.Rows, func(row revoked.Row) bool {
		switch {
		case s.view.mine[row.Log]:
			return false
		case s.view.obsolete[row.Log] && settled:
			return true // a member that is still there writes, or has written, its own under another name
		case alive(row, now):
			return false
		}
		r := s.view.rescues[row.Log]
		rescued := r != nil && r.done && !now.Before(r.end)
		if s.expired(row) && (!s.wasRead(row) || s.outlived(row)) {
			return rescued && settled
		}
		return rescued || s.expired(row) || row.First == row.Next
	})
	m.Asked = slices.DeleteFunc(m.Asked, func(name revoked.LogName) bool { return m.Find(name) == nil })
}
