package members

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

// Result is what an exchange found.
type Result struct {
	// Lost reports whether the shard has lost its memory or gone back in time, so that
	// "nothing" from it proves nothing. It is also set for a shard that is new to this
	// process and whose members record is younger than a minute, or missing.
	Lost  bool
	Known bool // this process had seen what is lost

	Snapshot      uint32 // the minute to which the shard went back; 0: it did not, or that is unknown
	NothingBefore uint32 // a record of a session that was last seen before this minute counts as nothing; 0: none

	Read time.Time // when the shard answered with the members record; zero: it did not

	Members int  // live members, this one included
	Alone   bool // no other member is there, and one was

	// Layouts: another member sees another layout of the store, so a tombstone has to go into
	// the log of each shard that has it in one of the layouts.
	Layouts bool

	Missing int // segments that the store lacks

	Heard bool // no log failed to be read, whether or not the store has all segments
}

// flight is an exchange that callers share.
type flight struct {
	ctx    context.Context // the first caller's context, without its cancellation
	done   chan struct{}
	result Result
	err    error

	waiting int // callers of Exchange, guarded by the Shard's mu
}

// Exchange reads what other members have added to their logs, and writes into the members
// record what this process has added to its own. It costs one load if there is nothing
// new. Concurrent callers share an exchange, which begins after each of them has called. The
// Result is valid beside an error too. A loss is reported once, to all callers that share the
// exchange, even if an exchange of Append's found it. A call whose context is done begins none.
func (s *Shard) Exchange(ctx context.Context) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Result{}, ErrClosed
	}
	f := s.flightLocked(ctx)
	f.waiting++
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		f.waiting--
		return Result{}, ctx.Err()
	}
}

// flightLocked returns the next exchange to begin, and begins it if none is under way.
func (s *Shard) flightLocked(ctx context.Context) *flight {
	f := &flight{ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
	switch {
	case s.running == nil:
		s.running = f
		s.wg.Go(func() { s.fly(f) })
	case s.next == nil:
		s.next = f
	default:
		f = s.next
	}
	return f
}

// fly makes exchanges as long as a caller waits for one.
func (s *Shard) fly(f *flight) {
	for f != nil {
		ctx, cancel := s.within(f.ctx)
		f.result, f.err = s.exchange(ctx)
		cancel()
		s.mu.Lock()
		s.tellLocked(f)
		done := f.done
		f = s.next
		s.running, s.next = f, nil
		s.mu.Unlock()
		close(done)
	}
}

// tellLocked reports a loss that no caller has been told of to the callers of this exchange,
// or keeps it for those of a later one.
func (s *Shard) tellLocked(f *flight) {
	r, untold := &f.result, s.untold
	r.Lost, r.Known = r.Lost || untold.Lost, r.Known || untold.Known
	r.Snapshot = max(r.Snapshot, untold.Snapshot)
	s.untold = Result{}
	if f.waiting == 0 {
		s.untold = *r
	}
}

// exchange is one exchange. It goes on after a part of it has failed: one log that cannot
// be read does not keep the other members from hearing of this process's log.
func (s *Shard) exchange(ctx context.Context) (r Result, err error) {
	began := s.Now()
	s.mu.Lock()
	s.asked = began
	s.mu.Unlock()
	m, v, err := s.look(ctx, &r)
	if err != nil {
		return r, err
	}
	unread, errRead := s.readNews(ctx, m, &r)
	r.Heard = errRead == nil
	errLog := s.keepUp(ctx, m)
	m, errWrite := s.write(ctx, m, v, &r)
	s.count(m, &r, began)
	stands := s.view.seen != nil // a shard that takes no members record proves nothing
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = r.Members
	if r.Lost {
		s.lostAt = s.Now()
	}
	switch {
	case unread || !stands:
		s.complete = false
	case errRead == nil:
		s.complete, s.completed = true, began
	}
	if errLog == nil && errWrite == nil && s.saysAllLocked() {
		s.told = began
	}
	return r, errors.Join(errRead, errLog, errWrite)
}

// saysAllLocked reports whether all of this process's log is stored, and the members record
// says how far it goes.
func (s *Shard) saysAllLocked() bool {
	return s.reach.settled && s.named == s.reach.name && s.announced == s.reach.next
}

// look reads the members record, and finds out whether the shard has lost its memory. It
// returns a new record if there is none, or a damaged one. While the shard has a record of a
// later format, look fails, and this process's log counts as one that the record does not name.
func (s *Shard) look(ctx context.Context, r *Result) (*revoked.Members, Version, error) {
	id, err := s.ID(recordid.Members)
	if err != nil {
		return nil, Version{}, err
	}
	data, v, err := s.Store.Load(ctx, id)
	if err != nil {
		return nil, Version{}, err
	}
	var m *revoked.Members
	if v != (Version{}) {
		m, err = revoked.DecodeMembers(data)
		if errors.Is(err, revoked.ErrFormat) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.named, s.complete = revoked.LogName{}, false // it is unknown what the record names
			return nil, Version{}, err
		}
	}
	if r.Read.IsZero() {
		r.Read = s.Now()
	}
	s.meet(m, r)
	if m == nil {
		m = &revoked.Members{Made: s.Now().UnixMilli()}
		rand.Read(m.Value[:])
	}
	return m, v, nil
}

// membersLife is how long a members record stays without a member.
const membersLife = 5 * 366 * 24 * time.Hour

// write saves this process's row and requests in the members record, m, which was read
// with the Version v. It returns the record as it then is.
func (s *Shard) write(ctx context.Context, m *revoked.Members, v Version, r *Result) (*revoked.Members, error) {
	id, err := s.ID(recordid.Members)
	if err != nil {
		return m, err
	}
	for attempt := 1; ; attempt++ {
		edited := s.edit(m.Clone())
		if v != (Version{}) && bytes.Equal(edited.Append(nil), m.Append(nil)) {
			s.stands(m, false)
			return m, nil
		}
		edited.Sequence++
		edited.Minute = max(edited.Minute, minute(s.Now()))
		_, conflict, err := s.Store.Save(ctx, id, edited.Append(nil), s.Now().Add(membersLife), v)
		switch {
		case !conflict && err == nil:
			s.stands(edited, true)
			return edited, nil
		case !conflict:
			return m, err
		case attempt > 2:
			if err := pause(ctx, mathrand.N(time.Duration(attempt)*time.Millisecond)); err != nil {
				return m, err
			}
		}
		again, over, err := s.look(ctx, r)
		if err != nil {
			return m, err
		}
		m, v = again, over
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// edit enters into m, a members record that no other goroutine uses, what this process has to
// write. The edit is the same for every record, so a conflict costs only another attempt.
func (s *Shard) edit(m *revoked.Members) *revoked.Members {
	v := &s.view
	if v.restore != nil && m.Value == v.restore.Value {
		m = revoked.JoinMembers(m, v.restore)
		m.Value, m.Made = v.value, s.Now().UnixMilli() // so that every other member notices
	}
	s.putRight(m)
	m.NothingBefore = max(m.NothingBefore, v.nothingBefore)
	s.mu.Lock()
	reach, leaves := s.reach, s.closed
	s.mu.Unlock()
	for name := range v.mine {
		if name != reach.name || leaves && reach.empty() {
			m.Remove(name)
		}
	}
	if !leaves || !reach.empty() {
		m.Put(s.row(m, reach))
	}
	s.ask(m)
	s.tidy(m)
	return m
}

// row returns this process's row as it has to be in m.
func (s *Shard) row(m *revoked.Members, own reach) revoked.Row {
	row := revoked.Row{Log: own.name, Instance: s.Instance, Next: own.next, First: own.first}
	if s.Layout != nil {
		row.Layout = s.Layout()
	}
	now := s.Now()
	old := m.Find(own.name)
	if old != nil {
		row.Renewed = old.Renewed
	}
	if old == nil || *old != row || now.Sub(s.view.renewed) >= time.Minute {
		row.Renewed = minute(now)
	}
	return row
}

// stands notes that m is the members record now.
func (s *Shard) stands(m *revoked.Members, written bool) {
	v := &s.view
	v.seen = m.Clone()
	s.noteTime(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	row := m.Find(s.reach.name)
	if row == nil {
		return // this process's log got another name, or has left
	}
	s.named, s.announced = row.Log, row.Next
	v.wrote = *row
	if written {
		v.restore, v.nothingBefore = nil, 0
		v.renewed = s.Now()
	}
}

// count counts the members that are there.
func (s *Shard) count(m *revoked.Members, r *Result, now time.Time) {
	there := map[uint32]bool{s.Instance: true}
	for _, row := range m.Rows {
		if s.view.mine[row.Log] || !alive(row, now) {
			continue
		}
		there[row.Instance] = true
		if s.Layout != nil && row.Layout != s.Layout() {
			r.Layouts = true
		}
	}
	r.Members = len(there)
	r.NothingBefore = s.believed(m.NothingBefore)
	if len(there) > 1 {
		s.view.metOther = now
	}
	var gone []uint8
	for name, rd := range s.view.readers {
		if row := m.Find(name); row == nil || !alive(*row, now) {
			gone = append(gone, rd.number)
		}
	}
	s.mu.Lock()
	s.gone = gone
	s.mu.Unlock()
	met := !s.view.metOther.IsZero()
	r.Alone = met && now.Sub(s.view.metOther) >= waits*s.Interval()
}

// alive reports whether a member is running, by when it last renewed its row.
func alive(r revoked.Row, now time.Time) bool { return minute(now) <= r.Renewed+aliveFor }
