package members

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

// workers is how many records are read, or written, at once.
const workers = 8

// fewParts is how many small parts of a closed block are read one by one, and not as the
// whole block.
const fewParts = 4

// overdue is how long after the minute of its last renewal a member counts as one that
// may have crashed: it renews once a minute. The segments that it had appended and not
// announced yet are looked for then.
const overdue = 75 * time.Second

// reader reads the log of another member.
type reader struct {
	number uint8
	next   uint32  // the positions before have been read, or are in parts
	parts  []*part // the parts that were not read yet
	row    revoked.Row
	behind bool   // something was heard that is behind the row's Next
	users  bool   // revocations of users were heard, which are needed for longer than the log
	fresh  bool   // the positions behind the row's Next were never looked at
	looked uint32 // the row's Renewed when they were last looked at for a crash
}

// part is some positions of a log, of one segment.
type part struct {
	from, to uint32
	large    bool // it is in the segment of the block
	closed   bool // the block has a segment of its own, or will have

	since time.Time // when the store did not have the segment first; zero: it was not asked yet
	alien bool      // the segment had a later format when it was last read
	again time.Time // when it is asked next
}

// divide divides positions of a log that goes to next.
func divide(from, to, next uint32) (parts []*part) {
	for from < to {
		end := (from/revoked.Block + 1) * revoked.Block
		closed := end <= next
		small := (end - from + revoked.SmallPart - 1) / revoked.SmallPart
		if closed && small > fewParts {
			parts = append(parts, &part{from: from, to: min(end, to), large: true, closed: true})
			from = end
			continue
		}
		stop := min((from/revoked.SmallPart+1)*revoked.SmallPart, to)
		parts = append(parts, &part{from: from, to: stop, closed: closed})
		from = stop
	}
	return parts
}

// follow takes in how far the log goes.
func (r *reader) follow(row revoked.Row) {
	if from := max(r.next, row.First); from < row.Next {
		r.parts = append(r.parts, divide(from, row.Next, row.Next)...)
	}
	r.next = max(r.next, row.Next)
	r.parts = slices.DeleteFunc(r.parts, func(p *part) bool {
		p.from = max(p.from, row.First)
		p.closed = (p.from/revoked.Block+1)*revoked.Block <= row.Next
		return p.from >= p.to
	})
}

// readNews reads what other members have added to their logs, and nothing else. It
// reports whether something is unread for which it is worth while to wait.
func (s *Shard) readNews(ctx context.Context, m *revoked.Members, r *Result) (unread bool, err error) {
	s.dropReaders(m)
	now := s.Now()
	err = inParallel(ctx, s.reads(m, now))
	patience := waits * s.Interval()
	for _, rd := range s.view.readers {
		rd.parts = slices.DeleteFunc(rd.parts, func(p *part) bool { return p.from >= p.to })
		unread = unread || rd.fresh
		for _, p := range rd.parts {
			if !p.since.IsZero() {
				r.Missing++
			}
			switch waited := s.Now().Sub(p.since); {
			case p.since.IsZero() || waited <= patience:
				unread = true
			case !now.Before(p.again):
				p.again = s.Now().Add(patience)
			}
		}
	}
	return unread, err
}

// reads returns what has to be read of the logs that m names.
func (s *Shard) reads(m *revoked.Members, now time.Time) (jobs []func(context.Context) error) {
	for _, row := range m.Rows {
		if s.view.mine[row.Log] {
			continue
		}
		rd := s.view.readers[row.Log]
		if rd == nil {
			rd = &reader{number: s.Numbers.take(), next: row.First, fresh: true}
			s.view.readers[row.Log] = rd
		}
		rd.row = row
		rd.follow(row)
		for _, p := range rd.parts {
			if !now.Before(p.again) {
				jobs = append(jobs, func(ctx context.Context) error { return s.readPart(ctx, row, rd, p) })
			}
		}
		mayHaveCrashed := now.Sub(time.Unix(int64(row.Renewed+1)*60, 0)) > overdue
		if rd.fresh || mayHaveCrashed && rd.looked != row.Renewed {
			jobs = append(jobs, func(ctx context.Context) error {
				err := s.readBehind(ctx, row, rd)
				if err == nil && mayHaveCrashed {
					rd.looked = row.Renewed
				}
				return err
			})
		}
	}
	return jobs
}

// dropReaders forgets the logs that m no longer names, and schedules adoption of their
// tombstones, because it may be that no other log has them. Of logs that have expired only the
// revocations of users are adopted: to adopt the others would pass them from log to log without
// end.
func (s *Shard) dropReaders(m *revoked.Members) {
	for name, rd := range s.view.readers {
		if m.Find(name) != nil {
			continue
		}
		s.dropReader(name, rd)
	}
}

func (s *Shard) dropReader(name revoked.LogName, rd *reader) {
	delete(s.view.readers, name)
	if rd.number != revoked.Unnumbered {
		s.forget(rd)
		s.Numbers.free(rd.number)
	}
}

// forget takes the number of a log that m no longer names from its tombstones.
func (s *Shard) forget(rd *reader) {
	empty := rd.row.First == rd.row.Next && !rd.behind
	if empty || s.expired(rd.row) {
		s.Set.Forget(rd.number, revoked.Expired)
		if rd.users {
			s.Adopt() // in case no log has them
		}
		return
	}
	s.Set.Forget(rd.number, revoked.Unnumbered)
	s.Adopt()
}

// isOver reports whether a revocation of a user is no longer needed.
func (s *Shard) isOver(t revoked.Tombstone) bool {
	return t.Class == revoked.Users && s.Now().Sub(t.Death.Dot.Time()) > s.UserLife
}

// expired reports whether all tombstones of a log have expired whose owner is gone.
func (s *Shard) expired(row revoked.Row) bool {
	return row.Renewed+s.lifeMinutes()+2 < minute(s.Now())
}

// inParallel does all jobs, some at once, until ctx ends.
func inParallel(ctx context.Context, jobs []func(context.Context) error) error {
	var mu sync.Mutex
	var all error
	var wg sync.WaitGroup
	next := 0
	for range min(workers, len(jobs)) {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < len(jobs) && ctx.Err() == nil {
				job := jobs[next]
				next++
				mu.Unlock()
				err := job(ctx)
				mu.Lock()
				if err != nil {
					all = err
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(all, ctx.Err())
}

// segment reads the segment, large or not, that has the position at. It is not found if the
// store has something else in its place.
func (s *Shard) segment(ctx context.Context, name revoked.LogName, large bool, at uint32) (seg revoked.Segment, found bool, err error) {
	size := uint32(revoked.SmallPart)
	if large {
		size = revoked.Block
	}
	id, err := s.ID(recordid.Segment(name, large, at/size))
	if err != nil {
		return revoked.Segment{}, false, err
	}
	data, v, err := s.Store.Load(ctx, id)
	if err != nil || v == (Version{}) {
		return revoked.Segment{}, false, err
	}
	seg, err = revoked.DecodeSegment(data)
	if errors.Is(err, revoked.ErrFormat) {
		return revoked.Segment{}, false, err
	}
	tooLong := len(seg.Tombstones) > int(size)
	return seg, err == nil && !tooLong && seg.First == at/size*size, nil
}

// readPart reads a part of a log, and empties it if that worked.
func (s *Shard) readPart(ctx context.Context, row revoked.Row, rd *reader, p *part) error {
	large := p.large
	seg, found, err := s.segment(ctx, row.Log, large, p.from)
	whole := found && (large || seg.First+uint32(len(seg.Tombstones)) >= p.to)
	if err == nil && !whole && !large && p.closed {
		large = true
		seg, found, err = s.segment(ctx, row.Log, large, p.from)
		whole = found
	}
	alien := errors.Is(err, revoked.ErrFormat)
	if err != nil && !alien {
		return err
	}
	p.alien = alien
	if found {
		s.hear(seg, p.from, rd)
	}
	if whole {
		p.to = p.from
	} else if p.since.IsZero() {
		p.since = s.Now()
	}
	return nil
}

// hear enters the tombstones of a segment from a position on into the set, except revocations
// of users that have expired.
func (s *Shard) hear(seg revoked.Segment, from uint32, rd *reader) {
	skip := 0
	if from > seg.First {
		skip = min(int(from-seg.First), len(seg.Tombstones))
	}
	news := slices.DeleteFunc(seg.Tombstones[skip:], s.isOver)
	users := false
	for i := range news {
		news[i].From = rd.number
		users = users || news[i].Class == revoked.Users
	}
	if len(news) > 0 {
		s.hearing.Lock()
		defer s.hearing.Unlock()
		rd.users = rd.users || users
		s.Set.Heard(news)
	}
}

// readBehind reads what is behind the end of a log that its row names: a member may have
// appended and crashed before it said so.
func (s *Shard) readBehind(ctx context.Context, row revoked.Row, rd *reader) error {
	for at := row.Next; ; {
		began := at
		for {
			seg, found, err := s.segment(ctx, row.Log, false, at)
			end := seg.First + uint32(len(seg.Tombstones))
			if err != nil {
				return err
			}
			if !found || end <= at {
				break
			}
			s.hear(seg, at, rd)
			rd.behind = true
			at = end
			if end%revoked.SmallPart != 0 {
				break
			}
		}
		block := (at + revoked.Block - 1) / revoked.Block * revoked.Block
		seg, found, err := s.segment(ctx, row.Log, true, block)
		if err != nil {
			return err
		}
		if found {
			s.hear(seg, block, rd)
			rd.behind = true
			at = block + revoked.Block
		}
		if at == began {
			break
		}
	}
	rd.fresh = false
	return nil
}
