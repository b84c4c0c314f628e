package journal

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// model is what a Journal should be, in its plainest form: a slice of items in
// their order by age, of which everything is recomputed. An entry comes first,
// and then the items go in their order until the rest fits; where the entry itself
// would go, all is as before.
type model struct {
	limit int64
	items []item // the oldest first
	tally map[string]tally
	count int                  // of items ever
	reads map[string]time.Time // by session, when the oldest request that uses it has read it
}

type tally struct{ delivered, lost uint64 }

type kind int

const (
	aTombstone kind = iota
	aHint
	aReading
)

type item struct {
	kind    kind
	id      string
	shard   string
	serial, // of what is known of it
	settled, // when it was no longer pending
	renewed int // when its time was over, and it was in use
	tombstone       Tombstone
	copy            state.Copy
	anonymous       bool
	delivered, kept time.Time
}

func (it *item) size() int64 {
	if it.kind == aTombstone {
		return 352
	}
	return int64(424 + len(it.copy.State.Entries) + len(it.copy.State.Origin) + 80*len(it.copy.Supersedes))
}

func (m *model) bytes() (n int64) {
	for i := range m.items {
		n += m.items[i].size()
	}
	return n
}

func (m *model) find(k kind, id string) int {
	return slices.IndexFunc(m.items, func(it item) bool { return it.kind == k && it.id == id })
}

func (m *model) remove(i int) item {
	it := m.items[i]
	m.items = slices.Delete(slices.Clone(m.items), i, i+1)
	return it
}

// takes returns the item of that kind and session, which leaves the model.
func (m *model) takes(k kind, id string) (item, bool) {
	i := m.find(k, id)
	if i < 0 {
		return item{}, false
	}
	return m.remove(i), true
}

func (m *model) counts(shard string, delivered, lost uint64) {
	m.tally[shard] = tally{m.tally[shard].delivered + delivered, m.tally[shard].lost + lost}
}

// push enters an item as the youngest.
func (m *model) push(it item) {
	m.count++
	it.serial, it.settled = m.count, m.count
	m.items = append(slices.Clone(m.items), it)
}

// next returns which item goes next, or -1.
func (m *model) next() int {
	first := func(which func(item) bool) int { return slices.IndexFunc(m.items, which) }
	stored := func(it item) bool { return it.kind == aTombstone && !it.tombstone.Pending }
	n := int64(0)
	for _, it := range m.items {
		if stored(it) && !it.strange() {
			n++
		}
	}
	if i := first(item.strange); i >= 0 {
		return i
	}
	if i := first(func(it item) bool { return it.kind == aReading }); i >= 0 {
		return i
	}
	if 2*n*352 > m.limit {
		return first(stored)
	}
	if i := first(func(it item) bool { return it.kind == aHint }); i >= 0 {
		return i
	}
	return first(stored)
}

func (it item) strange() bool {
	t := it.tombstone
	return it.kind == aTombstone && (t.Unverified || t.IfStored || t.Stranger)
}

// enter enters an item, and reports whether it stays. Where it does not, m is as
// before.
func (m *model) enter(it item) (d Dropped, stays bool) {
	before, tallies := m.items, map[string]tally{}
	for s, t := range m.tally {
		tallies[s] = t
	}
	m.push(it)
	serial := m.count
	for m.bytes() > m.limit {
		i := m.next()
		if i < 0 || m.items[i].serial == serial {
			m.items, m.tally = before, tallies
			return Dropped{}, false
		}
		gone := m.remove(i)
		switch {
		case gone.strange():
			d.Strangers = append(d.Strangers, gone.id)
			if gone.tombstone.neverDelivered() {
				m.counts(gone.shard, 0, 1)
			}
		case gone.kind == aReading:
			d.Reading = append(d.Reading, gone.id)
		case gone.kind == aTombstone:
			d.Stored = append(d.Stored, gone.id)
		default:
			d.Hints = append(d.Hints, gone.id)
			m.counts(gone.shard, 0, 1)
		}
	}
	return d, true
}

func (m *model) enterCopy(it item) (Dropped, error) {
	before := m.items
	m.takes(it.kind, it.id)
	d, ok := m.enter(it)
	if !ok {
		m.items = before
		return Dropped{}, ErrFull
	}
	return d, nil
}

func (m *model) add(shard string, c state.Copy, anonymous bool) (Outcome, error) {
	if i := m.find(aTombstone, c.ID); i >= 0 {
		return Outcome{Ended: true, Tombstone: m.items[i].tombstone}, nil
	}
	if m.find(aReading, c.ID) >= 0 {
		c.Born, c.NeverStored = false, false
	}
	if i := m.find(aHint, c.ID); i >= 0 {
		c = m.items[i].copy.Join(c)
		anonymous = anonymous && m.items[i].anonymous
	}
	d, err := m.enterCopy(item{kind: aHint, id: c.ID, shard: shard, copy: c, anonymous: anonymous})
	return Outcome{Dropped: d}, err
}

func (m *model) read(it item) item {
	if i := m.find(aReading, it.id); i >= 0 {
		old := m.items[i]
		it.copy = it.copy.Join(old.copy)
		if old.delivered.After(it.delivered) {
			it.delivered = old.delivered
		}
		if old.kept.After(it.kept) {
			it.kept = old.kept
		}
	}
	it.kind = aReading
	it.copy.Born, it.copy.NeverStored = false, false
	it.copy.Saved = it.copy.State.Entries.Latest()
	it.copy.Supersedes = state.MarkDurable(it.copy.Supersedes)
	return it
}

func (m *model) keep(shard string, c state.Copy, at time.Time) (Outcome, error) {
	if i := m.find(aTombstone, c.ID); i >= 0 {
		return Outcome{Ended: true, Tombstone: m.items[i].tombstone}, nil
	}
	d, err := m.enterCopy(m.read(item{id: c.ID, shard: shard, copy: c, kept: at}))
	return Outcome{Dropped: d}, err
}

func (m *model) removeHint(id string, serial int, delivered bool, at time.Time) {
	i := m.find(aHint, id)
	if i < 0 {
		return
	}
	if m.items[i].serial != serial {
		if delivered {
			m.items = slices.Clone(m.items)
			m.items[i].copy.Born, m.items[i].copy.NeverStored = false, false
		}
		return
	}
	it := m.remove(i)
	if !delivered {
		m.counts(it.shard, 0, 1)
		return
	}
	m.counts(it.shard, 1, 0)
	it.delivered = at
	read := m.read(it)
	m.takes(aReading, id)
	m.push(read)
}

func (m *model) addTombstone(shard string, t Tombstone, keeps bool) (a Added, told bool, err error) {
	hint, kept := m.find(aHint, t.ID), m.find(aReading, t.ID)
	known := m.find(aTombstone, t.ID)
	if hint < 0 && kept < 0 && known < 0 {
		d, ok := m.enter(item{kind: aTombstone, id: t.ID, shard: shard, tombstone: t})
		switch {
		case ok:
			return Added{Tombstone: t, Dropped: d}, t.Pending, nil
		case t.Pending:
			return Added{}, false, ErrFull
		case t.Unverified || t.IfStored || t.Stranger:
			return Added{Tombstone: t, Dropped: Dropped{Strangers: []string{t.ID}}}, false, nil
		}
		return Added{Tombstone: t, Dropped: Dropped{Stored: []string{t.ID}}}, false, nil
	}
	if hint >= 0 || kept >= 0 {
		t.Unverified, t.IfStored = false, false
	}
	if h, ok := m.takes(aHint, t.ID); ok {
		a.Owed = h.copy
		t.Stranger = t.Pending && !t.Again && (t.Stranger || h.anonymous && h.copy.Born && h.copy.NeverStored)
		if !keeps {
			m.counts(h.shard, 0, 1)
		}
	}
	m.takes(aReading, t.ID)
	if old, ok := m.takes(aTombstone, t.ID); ok {
		a.Line = t.Pending && t.Line && !old.tombstone.Line
		t, a.AlsoEnd = t.merge(old.tombstone)
	}
	m.push(item{kind: aTombstone, id: t.ID, shard: shard, tombstone: t})
	a.Tombstone = t
	return a, t.Pending, nil
}

// each changes the items, and keeps those for which change reports true.
func (m *model) each(change func(*item) bool) {
	var out []item
	for _, it := range m.items {
		if change(&it) {
			out = append(out, it)
		}
	}
	m.items = out
}

func (m *model) tombstoneOf(id string, change func(*Tombstone)) {
	m.each(func(it *item) bool {
		if it.kind == aTombstone && it.id == id {
			m.changed(it, change)
		}
		return true
	})
}

// changed changes a tombstone, and notes when it was no longer pending.
func (m *model) changed(it *item, change func(*Tombstone)) {
	before := it.tombstone.Pending
	change(&it.tombstone)
	if before && !it.tombstone.Pending {
		m.count++
		it.settled = m.count
	}
}

func (m *model) arrived(t Tombstone, known state.Death, until int64) {
	i := m.find(aTombstone, t.ID)
	if i < 0 {
		return
	}
	now := m.items[i].tombstone
	if !now.Pending || now.Death != known || now.Successor != t.Successor {
		return
	}
	it := m.remove(i)
	if !now.Again {
		m.counts(it.shard, 1, 0)
	}
	it.tombstone = Tombstone{ID: now.ID, Death: now.Death, Until: max(now.Until, until), Rotated: now.Rotated, IfLive: now.IfLive, Conflict: now.Conflict, Line: now.Line}
	m.push(it)
}

func (m *model) republish(shard string, publish bool) (told bool) {
	m.each(func(it *item) bool {
		t := &it.tombstone
		if it.kind != aTombstone || it.shard != shard {
			return true
		}
		switch {
		case t.Pending:
			t.IfStored = false
		case publish && !t.IfStored:
			t.Pending, t.Again = true, true
		}
		told = told || t.Pending
		return true
	})
	return told
}

func (m *model) needs(id string, at time.Time) bool {
	read, ok := m.reads[id]
	return ok && !read.After(at)
}

// expire drops what is over, in the order in which it was settled or kept, up to
// the first that is not. What is in use goes to the end of that order.
func (m *model) expire(now, keptBefore time.Time) {
	bySettled := slices.Clone(m.items)
	slices.SortStableFunc(bySettled, func(a, b item) int { return cmp.Compare(a.settled, b.settled) })
	gone := map[int]bool{}
	for _, it := range bySettled {
		if it.kind != aTombstone || it.tombstone.Pending {
			continue
		}
		if it.tombstone.Until > now.UnixMilli() {
			break
		}
		gone[it.serial] = true
	}
	byKept := slices.Clone(m.items)
	slices.SortStableFunc(byKept, func(a, b item) int { return cmp.Compare(max(a.serial, a.renewed), max(b.serial, b.renewed)) })
	over, renewed := map[int]bool{}, map[int]int{}
	for _, it := range byKept {
		if it.kind != aReading || it.kept.IsZero() {
			continue
		}
		if it.kept.After(keptBefore) {
			break
		}
		if m.needs(it.id, it.kept) {
			m.count++
			renewed[it.serial] = m.count
		} else {
			over[it.serial] = true
		}
	}
	m.each(func(it *item) bool {
		it.renewed = max(it.renewed, renewed[it.serial])
		if over[it.serial] {
			it.kept = time.Time{}
			return !it.delivered.IsZero()
		}
		return !gone[it.serial]
	})
}

func (m *model) carried(id string, entries state.Entries, before time.Time) {
	m.each(func(it *item) bool {
		isKept := it.kind == aReading && it.id == id && !it.kept.IsZero() && it.kept.Before(before)
		if isKept && entries.Covers(it.copy.State.Entries) && !m.needs(id, it.kept) {
			it.kept = time.Time{}
			return !it.delivered.IsZero()
		}
		return true
	})
}

func (m *model) forget(shard string, before time.Time) {
	m.each(func(it *item) bool {
		if it.kind == aReading && it.shard == shard && it.delivered.Before(before) {
			needed := m.needs(it.id, it.delivered)
			if it.kept.IsZero() && !needed {
				return false
			}
			if it.kept.IsZero() {
				m.count++
				it.renewed = m.count
			}
			if it.delivered.After(it.kept) {
				it.kept = it.delivered
			}
			it.delivered = time.Time{}
		}
		return true
	})
}

func (m *model) move(shard string, assign func(string) string) (told map[string]bool) {
	told = map[string]bool{}
	m.each(func(it *item) bool {
		to := assign(it.id)
		if it.shard != shard || to == shard {
			return true
		}
		it.shard, it.tombstone.tries = to, 0
		if it.kind == aHint || it.kind == aTombstone && it.tombstone.Pending {
			told[to] = told[to] || it.kind == aTombstone
		}
		return true
	})
	return told
}

func (m *model) stats(shard string) (s Stats) {
	for _, it := range m.items {
		if it.shard != shard {
			continue
		}
		s.Bytes += it.size()
		switch it.kind {
		case aHint:
			s.States++
		case aReading:
			s.Reading++
		default:
			s.Known++
			switch t := it.tombstone; {
			case t.Again:
				s.Again++
			case t.Pending:
				s.Tombstones++
			}
		}
	}
	s.Delivered, s.Lost = m.tally[shard].delivered, m.tally[shard].lost
	return s
}
