package members

import (
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// reading is the latest minute that the members record has had, by the clocks of the members
// that write it.
type reading struct {
	minute uint32
	at     time.Time // when it was first met, by this process's clock
}

// advance takes in a minute that was met now.
func (r *reading) advance(minute uint32, now time.Time) {
	if minute > r.minute {
		*r = reading{minute, now}
	}
}

// since returns how many minutes a minute is past, rounded up.
func (r *reading) since(minute uint32, now time.Time) int64 {
	elapsed := int64((now.Sub(r.at) + time.Minute - 1) / time.Minute)
	return int64(r.minute) + elapsed - int64(minute)
}

// ahead reports whether a minute of the members record is more than one ahead of this
// process's clock, so that one of the two clocks is wrong. Such a minute is ignored, and
// not written again.
func (s *Shard) ahead(m uint32) bool { return m > minute(s.Now())+1 }

// believed returns a minute of the members record, or 0 if that is ahead.
func (s *Shard) believed(m uint32) uint32 {
	if s.ahead(m) {
		return 0
	}
	return m
}

// latest returns the latest minute in m that can be believed, and the latest of those that
// other members have written; 0: none.
func (s *Shard) latest(m *revoked.Members) (all, others uint32) {
	all = s.believed(m.Minute)
	for _, row := range m.Rows {
		renewed := s.believed(row.Renewed)
		all = max(all, renewed)
		if !s.view.mine[row.Log] {
			others = max(others, renewed)
		}
	}
	return all, others
}

// noteTime notes the latest minutes in m.
func (s *Shard) noteTime(m *revoked.Members) {
	now := s.Now()
	all, others := s.latest(m)
	s.view.all.advance(all, now)
	s.view.others.advance(others, now)
}

// wayBack returns how many minutes the shard went back in time, to when m was current. It
// compares minutes that members wrote only with minutes that members had written before, and
// this process's clock only with itself, so that a clock which is wrong by hours does not add
// hours. The minutes of the other members give the right answer if this process's clock is
// ahead, and the minutes of all members if the others have left or their clocks are behind.
// Each of the two answers is too long if a clock is wrong or a member has left, so the shorter
// one counts.
func (s *Shard) wayBack(m *revoked.Members) int64 {
	now := s.Now()
	all, others := s.latest(m)
	way := s.view.all.since(all, now)
	if others != 0 {
		way = min(way, s.view.others.since(others, now))
	}
	return way
}

// putRight removes from m the minutes that are ahead.
func (s *Shard) putRight(m *revoked.Members) {
	if s.ahead(m.Minute) {
		m.Minute = minute(s.Now())
	}
	m.NothingBefore = s.believed(m.NothingBefore)
}
