package journal

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// model is what a Journal should be, in its plainest form: a slice of items in
// their order by age, of which everything is recomputed. An entry comes first,
// and then the items go in their order until the rest fits; if the entry itself
// would go, all is as before.
type model struct {
	limit int64
	items []item                 // the oldest first
	ended map[string]settledItem // tombstones that the store has
	tally map[string]tally
	count int                  // how many items there were ever
	reads map[string]time.Time // by session, when the oldest request that uses it has read it
}

type tally struct{ delivered, lost uint64 }

type settledItem struct {
	Tombstone
	heard time.Time
}

// settle keeps of a tombstone what the revocation set keeps.
func (m *model) settle(t Tombstone, at time.Time) {
	m.ended[t.ID] = settledItem{tombstoneOf(compact(&t), t.ID), at}
}

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
	serial, // the number of what is known of it
	renewed int // when its time was up, and it was in use
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
	it.serial = m.count
	m.items = append(slices.Clone(m.items), it)
}

// next returns which item goes next, or -1.
func (m *model) next() int {
	first := func(which func(item) bool) int { return slices.IndexFunc(m.items, which) }
	if i := first(item.strange); i >= 0 {
		return i
	}
	if i := first(func(it item) bool { return it.kind == aReading }); i >= 0 {
		return i
	}
	return first(func(it item) bool { return it.kind == aHint })
}

func (it item) strange() bool {
	t := it.tombstone
	return it.kind == aTombstone && (t.Unverified || t.IfStored || t.Stranger)
}

// enter enters an item, and reports whether it stays. If it does not, m is as before.
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
			d.Dispensable = append(d.Dispensable, gone.id)
			if gone.tombstone.neverDelivered() {
				m.counts(gone.shard, 0, 1)
			}
		case gone.kind == aReading:
			d.Reading = append(d.Reading, gone.id)
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
	if t, ok := m.tombstone(c.ID); ok {
		return Outcome{Ended: true, Tombstone: t}, nil
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
	if t, ok := m.tombstone(c.ID); ok {
		return Outcome{Ended: true, Tombstone: t}, nil
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

// tombstone returns the tombstone of a session, wherever it is.
func (m *model) tombstone(id string) (Tombstone, bool) {
	if i := m.find(aTombstone, id); i >= 0 {
		return m.items[i].tombstone, true
	}
	t, ok := m.ended[id]
	return t.Tombstone, ok
}

func (m *model) addTombstone(shard string, t Tombstone, at time.Time, keeps bool) (a Added, told bool, err error) {
	items, tallies := m.items, maps.Clone(m.tally)
	known, ended := m.tombstone(t.ID)
	asked := t
	a.News = true
	if ended {
		a.EndsSuccessors = t.Pending && t.EndsSuccessors && !known.EndsSuccessors
		t, a.AlsoEnd = t.merge(known)
		was, is := compact(&known), compact(&t)
		was.From, is.From = 0, 0
		a.News = was != is
		if says := compact(&asked); says.Class != is.Class || says.Death != is.Death || says.Successor != is.Successor || says.Flags != is.Flags {
			t.From = 0
		}
	} else {
		a.AlsoEnd = t.Death.EndedSuccessors()
	}
	hint, kept := m.find(aHint, t.ID), m.find(aReading, t.ID)
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
	m.takes(aTombstone, t.ID)
	a.Tombstone = t
	if t.Pending {
		d, ok := m.enter(item{kind: aTombstone, id: t.ID, shard: shard, tombstone: t})
		if !ok {
			m.items, m.tally = items, tallies
			return Added{}, false, ErrFull
		}
		a.Dropped = d
		delete(m.ended, t.ID)
		return a, true, nil
	}
	switch old, was := m.ended[t.ID]; {
	case a.News, asked.From == 0:
		m.settle(t, at)
	case was && asked.From != 0 && old.From != 0:
		old.From = asked.From
		m.ended[t.ID] = old
	}
	return a, false, nil
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
			change(&it.tombstone)
		}
		return true
	})
}

func (m *model) arrived(t Tombstone, known state.Death, at time.Time) (news bool) {
	i := m.find(aTombstone, t.ID)
	if i < 0 {
		return false
	}
	now := m.items[i].tombstone
	if now.Death != known || now.Successor != t.Successor {
		return false
	}
	it := m.remove(i)
	if !now.Again {
		m.counts(it.shard, 1, 0)
	}
	m.settle(Tombstone{ID: now.ID, Death: now.Death, Conflict: now.Conflict, EndsSuccessors: now.EndsSuccessors}, at)
	return !now.Again
}

func (m *model) nothingToEnd(id string, at time.Time) {
	if i := m.find(aTombstone, id); i >= 0 && m.items[i].tombstone.IfStored {
		m.settle(m.remove(i).tombstone, at)
	}
}

func (m *model) lostData(shard string) {
	m.each(func(it *item) bool {
		if it.kind == aTombstone && it.shard == shard {
			it.tombstone.IfStored = false
		}
		return true
	})
}

func (m *model) needs(id string, at time.Time) bool {
	read, ok := m.reads[id]
	return ok && !read.After(at)
}

// expire drops the copies that have expired, in the order in which they were kept, up to the
// first that has not. What is in use goes to the end of that order.
func (m *model) expire(keptBefore time.Time) {
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
		return true
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
		if it.kind != aReading {
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
