package journal

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
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
	count int // of items ever
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
	settled int // when it was no longer pending
	tombstone        Tombstone
	copy             state.Copy
	anonymous        bool
	delivered, until time.Time
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
			if gone.tombstone.NeverDelivered() {
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
		if old.until.After(it.until) {
			it.until = old.until
		}
	}
	it.kind = aReading
	it.copy.Born, it.copy.NeverStored = false, false
	it.copy.Saved = it.copy.State.Entries.Latest()
	it.copy.Supersedes = state.MarkDurable(it.copy.Supersedes)
	return it
}

func (m *model) keep(shard string, c state.Copy, until time.Time) (Outcome, error) {
	if i := m.find(aTombstone, c.ID); i >= 0 {
		return Outcome{Ended: true, Tombstone: m.items[i].tombstone}, nil
	}
	d, err := m.enterCopy(m.read(item{id: c.ID, shard: shard, copy: c, until: until}))
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

// expire drops what is over, in the order in which it was settled or kept, up to
// the first that is not.
func (m *model) expire(now time.Time) {
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
	over := true
	m.each(func(it *item) bool {
		if it.kind == aReading && !it.until.IsZero() && over {
			if over = !it.until.After(now); over {
				it.until = time.Time{}
				return !it.delivered.IsZero()
			}
		}
		return !gone[it.serial]
	})
}

func (m *model) carried(id string, entries state.Entries) {
	m.each(func(it *item) bool {
		if it.kind == aReading && it.id == id && !it.until.IsZero() && entries.Covers(it.copy.State.Entries) {
			it.until = time.Time{}
			return !it.delivered.IsZero()
		}
		return true
	})
}

func (m *model) forget(shard string, before time.Time) {
	m.each(func(it *item) bool {
		if it.kind == aReading && it.shard == shard && it.delivered.Before(before) {
			it.delivered = time.Time{}
			return !it.until.IsZero()
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

// pair is a journal and its model, which run side by side.
type pair struct {
	t     *testing.T
	j     *Journal
	m     *model
	draw  func(n int) int
	step  int
	now   time.Time
	taken []taken     // hints that were listed
	shown []Tombstone // likewise
}

type taken struct {
	hint   Hint
	serial int
}

var (
	shards = []string{"A", "B", "C"}
	ids    = []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"}
)

func newPair(t *testing.T, draw func(n int) int) *pair {
	limit := int64(1500 + 500*draw(16))
	return &pair{t: t, j: New(limit), m: &model{limit: limit, tally: map[string]tally{}}, draw: draw, now: time.UnixMilli(1_000_000)}
}

func (p *pair) equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		p.t.Helper()
		p.t.Fatalf("step %d, %s: got %+v, want %+v", p.step, what, got, want)
	}
}

// sameAs compares as equal does, and does not reflect.
func sameAs[T comparable](p *pair, what string, got, want T) {
	if got != want {
		p.t.Helper()
		p.t.Fatalf("step %d, %s: got %+v, want %+v", p.step, what, got, want)
	}
}

func sameLists[T any](p *pair, what string, got, want []T, same func(a, b T) bool) {
	if !slices.EqualFunc(got, want, same) {
		p.t.Helper()
		p.t.Fatalf("step %d, %s: got %+v, want %+v", p.step, what, got, want)
	}
}

func sameCopy(a, b state.Copy) bool {
	return a.ID == b.ID && a.State.Equal(b.State) && a.State.LastSeen == b.State.LastSeen &&
		a.Confirmed == b.Confirmed && a.Saved == b.Saved && slices.Equal(a.Supersedes, b.Supersedes) &&
		a.NeverStored == b.NeverStored && a.Born == b.Born
}

func (p *pair) id() string    { return ids[p.draw(9)] }
func (p *pair) shard() string { return shards[p.draw(3)] }

// at is a time about now.
func (p *pair) at() time.Time { return p.now.Add(time.Duration(p.draw(30)-20) * time.Second) }

func (p *pair) entries() state.Entries {
	return state.PackChanges(state.Changes{{Name: "k", Value: []byte(strings.Repeat("v", p.draw(4)*60))}},
		state.Dot{Clock: uint64(1 + p.draw(8)), Instance: uint32(1 + p.draw(2))})
}

func (p *pair) copy() state.Copy {
	c := state.Copy{
		ID: p.id(), Confirmed: int64(p.draw(9)), Saved: uint64(p.draw(9)),
		State: state.State{Created: 1, End: 1000, LastSeen: int64(p.draw(9)), Entries: p.entries()},
	}
	c.NeverStored = p.draw(2) == 0
	c.Born = c.NeverStored && p.draw(2) == 0
	if p.draw(4) == 0 {
		c.Supersedes = []state.Superseded{{ID: "old", Heir: true}}
	}
	return c
}

func (p *pair) tombstone() Tombstone {
	t := Tombstone{
		ID: p.id(), Death: death(uint64(1+p.draw(5)), uint32(1+p.draw(2)), state.Reason(1+p.draw(4))), Until: p.at().UnixMilli(),
		Pending: p.draw(3) > 0, IfLive: p.draw(3) == 0, Line: p.draw(4) == 0,
	}
	switch p.draw(8) {
	case 0, 1:
		t.Unverified = p.draw(4) > 0
		t.IfStored = !t.Unverified || p.draw(2) == 0
	case 2:
		t.Stranger = t.Pending
	case 3:
		t.Again = t.Pending
	case 4:
		t.Successor = "next"
		t.Rotated = t.Death.Reason == state.Rotated
	}
	return t
}

// event does one operation on both, and compares what they return.
func (p *pair) event() {
	p.step++
	p.now = p.now.Add(time.Duration(p.draw(5)) * time.Second)
	switch p.draw(20) {
	case 0, 1, 2, 3:
		c, shard, anonymous := p.copy(), p.shard(), p.draw(2) == 0
		got, err := p.j.Add(shard, c, anonymous)
		want, wantErr := p.m.add(shard, c, anonymous)
		p.equal("Add", []any{got, err}, []any{want, wantErr})
	case 4, 5, 6, 7, 8:
		p.addTombstone()
	case 9, 10:
		p.shown = append(p.shown, p.j.PendingTombstones(p.shard())...)
		for len(p.shown) > p.draw(6) {
			t, until := p.shown[0], p.at().UnixMilli()
			p.shown = p.shown[1:]
			known := t.Death
			if p.draw(6) == 0 {
				known.Dot.Clock++
			}
			p.j.Arrived(t, known, until)
			p.m.arrived(t, known, until)
		}
	case 11, 12:
		p.removeHints()
	case 13, 14:
		c, shard, until := p.copy(), p.shard(), p.at().Add(10*time.Second)
		got, err := p.j.Keep(shard, c, until)
		want, wantErr := p.m.keep(shard, c, until)
		p.equal("Keep", []any{got, err}, []any{want, wantErr})
	case 15:
		id, entries := p.id(), p.entries()
		p.j.Carried(id, entries)
		p.m.carried(id, entries)
	case 16:
		shard, before := p.shard(), p.at()
		p.j.Forget(shard, before)
		p.m.forget(shard, before)
	case 17:
		p.j.Expire(p.now)
		p.m.expire(p.now)
	case 18:
		p.rare()
	default:
		id := p.id()
		if p.draw(2) == 0 {
			p.j.Refused(id)
			p.m.tombstoneOf(id, func(t *Tombstone) { t.tries++ })
			return
		}
		p.j.NothingToEnd(id)
		p.m.tombstoneOf(id, func(t *Tombstone) {
			if t.IfStored {
				t.Pending, t.Again = false, false
			}
		})
	}
}

func (p *pair) addTombstone() {
	t, shard, keeps := p.tombstone(), p.shard(), p.draw(2) == 0
	told := 0
	got, err := p.j.AddTombstone(shard, t, func() { told++ }, func(state.Copy, Tombstone) bool { return keeps })
	want, wantTold, wantErr := p.m.addTombstone(shard, t, keeps)
	p.equal("AddTombstone", []any{got, err, told == 1}, []any{want, wantErr, wantTold})
}

func (p *pair) removeHints() {
	for _, h := range p.j.Hints(p.shard()) {
		p.taken = append(p.taken, taken{h, p.m.items[p.m.find(aHint, h.ID)].serial})
	}
	for len(p.taken) > p.draw(4) {
		delivered, at := p.draw(3) > 0, p.at()
		p.j.Remove(p.taken[0].hint, delivered, at)
		p.m.removeHint(p.taken[0].hint.ID, p.taken[0].serial, delivered, at)
		p.taken = p.taken[1:]
	}
}

// rare does what concerns a whole shard.
func (p *pair) rare() {
	shard, told := p.shard(), map[string]bool{}
	if p.draw(2) == 0 {
		publish := p.draw(3) > 0
		p.j.Republish(shard, publish, func() { told[shard] = true })
		p.equal("Republish tells", told[shard], p.m.republish(shard, publish))
		return
	}
	n := p.draw(9)
	assign := func(id string) string { return shards[(int(id[1])+n)%len(shards)] }
	owed := p.j.Move(shard, assign, func(to string) { told[to] = true })
	want := p.m.move(shard, assign)
	var wantOwed []string
	for _, s := range shards {
		if pending, ok := want[s]; ok {
			wantOwed = append(wantOwed, s)
			p.equal("Move tells", told[s], pending)
		}
	}
	p.equal("Move", owed, wantOwed)
}

// compare looks at everything that can be asked.
func (p *pair) compare() {
	var all Stats
	for _, s := range shards {
		want := p.m.stats(s)
		sameAs(p, "Stats", p.j.Stats(s), want)
		all = Stats{
			all.States + want.States, all.Tombstones + want.Tombstones, all.Again + want.Again, all.Known + want.Known,
			all.Reading + want.Reading, all.Bytes + want.Bytes, all.Delivered + want.Delivered, all.Lost + want.Lost,
		}
		p.compareShard(s, 1+p.draw(3))
	}
	sameAs(p, "Total", p.j.Total(), all)
	if all.Bytes > p.m.limit {
		p.t.Fatalf("step %d: %d bytes, more than %d", p.step, all.Bytes, p.m.limit)
	}
	for i := range 9 {
		id := ids[i]
		var want Tombstone
		at := p.m.find(aTombstone, id)
		if at >= 0 {
			want = p.m.items[at].tombstone
		}
		got, ok := p.j.Tombstone(id)
		sameAs(p, "Tombstone", got, want)
		sameAs(p, "Tombstone is known", ok, at >= 0)

		var held Held
		hint, kept := p.m.find(aHint, id), p.m.find(aReading, id)
		if kept >= 0 {
			held.Copy = p.m.items[kept].copy
		}
		if hint >= 0 {
			held.Copy, held.Owed = p.m.items[hint].copy, true
			if kept >= 0 {
				held.Copy = held.Join(p.m.items[kept].copy)
			}
		}
		h, ok := p.j.Copy(id)
		sameAs(p, "Copy is known", ok, hint >= 0 || kept >= 0)
		if !sameCopy(h.Copy, held.Copy) || h.Owed != held.Owed {
			p.t.Fatalf("step %d: the copy is %+v, want %+v", p.step, h, held)
		}
	}
}

func (p *pair) compareShard(shard string, most int) {
	var pending []Tombstone
	var hints []state.Copy
	wantWaiting, wantBlind := false, false
	for _, it := range p.m.items {
		t := it.tombstone
		switch {
		case it.shard != shard:
		case it.kind == aHint:
			hints = append(hints, it.copy)
		case it.kind == aTombstone && t.Pending:
			pending = slices.Insert(pending, 0, t)
			if int(t.tries) < most {
				wantWaiting = true
				wantBlind = wantBlind || t.Successor == "" && !t.IfLive
			}
		}
	}
	sameLists(p, "PendingTombstones", p.j.PendingTombstones(shard), pending, func(a, b Tombstone) bool { return a == b })
	var got []state.Copy
	for _, h := range p.j.Hints(shard) {
		got = append(got, h.Copy)
	}
	sameLists(p, "Hints", got, hints, sameCopy)
	sameAs(p, "Owes", p.j.Owes(shard), len(pending)+len(hints) > 0)
	paid := false
	waiting, blind := p.j.Waiting(shard, most, func() { paid = true })
	sameAs(p, "Waiting", [3]bool{waiting, blind, paid}, [3]bool{wantWaiting, wantBlind, !wantWaiting})
}

func TestAJournalIsAsItsModel(t *testing.T) {
	worlds := 700                       // 210,000 operations
	if testing.Short() || raceEnabled { // it runs one goroutine
		worlds = 60
	}
	for seed := range uint64(worlds) {
		p := newPair(t, rand.New(rand.NewPCG(seed, 1)).IntN)
		for range 300 {
			p.event()
			p.compare()
		}
		checkChains(t, p.j)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("a journal of what is owed"))
	for seed := range byte(4) {
		b := make([]byte, 600)
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i := 0
		p := newPair(t, func(n int) int {
			i++
			if i > len(b) {
				return 0
			}
			return int(b[i-1]) % n
		})
		for i < len(b) && p.step < 300 {
			p.event()
			p.compare()
		}
	})
}
