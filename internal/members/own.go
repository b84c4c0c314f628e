package members

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

// many is how many tombstones at once are written as blocks, and not part by part.
const many = 4 * revoked.SmallPart

// log is the log of this process. Its blocks are filled one after the other. Additions
// are stored in small segments first; a block that is closed gets a segment of its own,
// which is all that later readers need.
//
// A tombstone whose save was tried once stays in the log even if the save failed: the store
// may have it, and a segment is only ever replaced by one that contains it.
type log struct {
	name    revoked.LogName
	blocks  []*block // the last one is open, the others lack their segment
	first   uint32   // the first block that still matters
	minutes []uint32 // the minute of the youngest tombstone of each block from first on
	turn    int      // counts the segments that were looked at
	users   uint32   // the minute in which revocations of users were last added; 0: there are none
}

// block is a block of the log that is in memory.
type block struct {
	index   uint32
	entries []revoked.Tombstone
	stands  int     // how many of them are stored in small segments
	version Version // version of the small segment that is not full; zero: there is none
	closed  bool    // no more are added
	whole   bool    // it is stored in a segment of its own
}

// reach is how far a log goes, for its row.
type reach struct {
	name        revoked.LogName
	next, first uint32
	settled     bool // all of the log is stored, and next says so
}

// empty reports whether no tombstone of the log matters.
func (r reach) empty() bool { return r.first == r.next }

func newLog() log {
	l := log{blocks: []*block{{}}, minutes: []uint32{0}}
	rand.Read(l.name[:])
	return l
}

func (l *log) open() *block { return l.blocks[len(l.blocks)-1] }

// add adds tombstones, which are not in the store yet. If there are many of them, or apart
// is set, they get blocks of their own.
func (l *log) add(all []revoked.Tombstone, minute uint32, apart bool) {
	apart = apart || len(all) >= many
	if apart {
		l.close()
	}
	for _, t := range all {
		t.From = revoked.Own
		if t.Class == revoked.Users && l.users == 0 {
			l.users = minute
		}
		b := l.open()
		b.entries = append(b.entries, t)
		l.minutes[len(l.minutes)-1] = minute
		if len(b.entries) == revoked.Block {
			l.close()
		}
	}
	if apart {
		l.close()
	}
}

// close closes the open block, unless it is empty.
func (l *log) close() {
	b := l.open()
	if len(b.entries) == 0 {
		return
	}
	b.closed = true
	l.blocks = append(l.blocks, &block{index: b.index + 1})
	l.minutes = append(l.minutes, l.minutes[len(l.minutes)-1])
}

// expire drops the blocks in which every tombstone was entered before a minute.
func (l *log) expire(before uint32) {
	if b := l.open(); len(b.entries) > 0 && l.minutes[len(l.minutes)-1] < before {
		l.close()
	}
	for len(l.minutes) > 1 && l.minutes[0] < before {
		l.minutes = l.minutes[1:]
		l.first++
	}
	l.blocks = slices.DeleteFunc(l.blocks, func(b *block) bool { return b.index < l.first })
}

// reach returns how far the log goes. The last tombstone of a block is named only when the
// block has its segment.
func (l *log) reach() reach {
	r := reach{name: l.name, first: l.first * revoked.Block}
	open := l.open()
	r.settled = len(l.blocks) == 1 && open.stands == len(open.entries)
	for _, b := range l.blocks {
		r.next = b.index*revoked.Block + uint32(min(b.stands, revoked.Block-1))
		if b.closed && !b.whole {
			break
		}
	}
	r.first = min(r.first, r.next)
	return r
}

// acquire takes the token of the call that writes this process's log.
func (s *Shard) acquire(ctx context.Context) error {
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives the token back, and says how far the log goes now.
func (s *Shard) release() {
	r := s.own.reach()
	s.mu.Lock()
	s.reach = r
	s.mu.Unlock()
	<-s.writing
}

// settle saves everything in the log that is not stored in any segment. The token is held.
func (s *Shard) settle(ctx context.Context) error {
	return s.save(ctx, func(b *block) bool { return b.closed && b.stands < len(b.entries) })
}

// enlarge writes the segments of all closed blocks. The token is held.
func (s *Shard) enlarge(ctx context.Context) error {
	return s.save(ctx, func(b *block) bool { return b.closed })
}

// save writes the blocks that whole returns true for as a whole, and the open block part by
// part.
func (s *Shard) save(ctx context.Context, whole func(*block) bool) error {
	l := &s.own
	var jobs []func(context.Context) error
	for _, b := range l.blocks {
		if !b.whole && whole(b) {
			jobs = append(jobs, func(ctx context.Context) error { return s.saveBlock(ctx, b) })
		}
	}
	var err error
	if len(jobs) > 0 {
		err = inParallel(ctx, jobs)
		l.blocks = slices.DeleteFunc(l.blocks, func(b *block) bool { return b.whole })
	}
	b := l.open()
	for err == nil && b.stands < len(b.entries) {
		err = s.saveOpen(ctx, b)
	}
	return err
}

// saveBlock writes the segment of a closed block.
func (s *Shard) saveBlock(ctx context.Context, b *block) error {
	seg := revoked.Segment{Minute: s.own.minutes[b.index-s.own.first], First: b.index * revoked.Block, Tombstones: b.entries}
	if _, err := s.put(ctx, recordid.Segment(s.own.name, true, b.index), seg, Version{}); err != nil {
		return err
	}
	b.whole = true
	return nil
}

// saveOpen writes the small segment with the next tombstones of a block.
func (s *Shard) saveOpen(ctx context.Context, b *block) error {
	from := b.stands / revoked.SmallPart * revoked.SmallPart
	to := min(from+revoked.SmallPart, len(b.entries))
	first := b.index*revoked.Block + uint32(from)
	seg := revoked.Segment{Minute: s.own.minutes[len(s.own.minutes)-1], First: first, Tombstones: b.entries[from:to]}
	v, err := s.put(ctx, recordid.Segment(s.own.name, false, first/revoked.SmallPart), seg, b.version)
	if err != nil {
		return err
	}
	b.stands, b.version = to, v
	if to%revoked.SmallPart == 0 {
		b.version = Version{}
	}
	return nil
}

var errForeign = errors.New("session: something else stands in the place of a segment of the own log")

// put saves a segment over a Version, or over the stored segment if that is a part of it: it
// is from an earlier save that had no answer, or from before the store went back in time. A
// record that is no segment is replaced as well, because no other process writes under the
// IDs of this process's log.
func (s *Shard) put(ctx context.Context, base string, seg revoked.Segment, over Version) (Version, error) {
	id, err := s.ID(base)
	if err != nil {
		return Version{}, err
	}
	data := seg.Append(nil)
	for {
		v, conflict, err := s.Store.Save(ctx, id, data, s.Now().Add(s.lifeOf(seg)+2*second*60), over)
		if !conflict {
			return v, err
		}
		stored, v, err := s.Store.Load(ctx, id)
		if err != nil {
			return Version{}, err
		}
		over = v
		if v == (Version{}) {
			continue // evicted
		}
		old, err := revoked.DecodeSegment(stored)
		switch {
		case err != nil:
		case !contains(seg, old):
			return Version{}, errForeign
		case len(old.Tombstones) == len(seg.Tombstones):
			return v, nil
		}
	}
}

// lifeOf returns how long a segment is needed. Revocations of users outlive the other
// tombstones, and all instances may be gone meanwhile.
func (s *Shard) lifeOf(seg revoked.Segment) time.Duration {
	for i := range seg.Tombstones {
		if seg.Tombstones[i].Class == revoked.Users {
			return max(s.Life, s.UserLife)
		}
	}
	return s.Life
}

// contains reports whether a segment begins with all of another.
func contains(seg, old revoked.Segment) bool {
	n := len(old.Tombstones)
	return old.First == seg.First && n <= len(seg.Tombstones) && slices.Equal(seg.Tombstones[:n], old.Tombstones)
}

// lookAtNext reads one segment of this process's log, each in its turn, so that a store that
// evicts does not drop the segment as unused. It reports whether the store has lost the segment,
// or has another record in its place, of whatever format. The token is held.
func (s *Shard) lookAtNext(ctx context.Context) (lost bool, err error) {
	lost, err = s.missesNext(ctx)
	if errors.Is(err, revoked.ErrFormat) {
		return true, nil
	}
	return lost, err
}

func (s *Shard) missesNext(ctx context.Context) (lost bool, err error) {
	l := &s.own
	b := l.open()
	blocks := int(l.blocks[0].index - l.first) // those that are not in memory have their segment
	parts := (b.stands + revoked.SmallPart - 1) / revoked.SmallPart
	if blocks+parts == 0 {
		return false, nil
	}
	i := l.turn % (blocks + parts)
	l.turn++
	if i < blocks {
		_, found, err := s.segment(ctx, l.name, true, (l.first+uint32(i))*revoked.Block)
		return !found && err == nil, err
	}
	from := (i - blocks) * revoked.SmallPart
	stands := min(b.stands-from, revoked.SmallPart)
	seg, found, err := s.segment(ctx, l.name, false, b.index*revoked.Block+uint32(from))
	return err == nil && (!found || len(seg.Tombstones) < stands), err
}
