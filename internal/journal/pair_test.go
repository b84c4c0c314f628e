package journal

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

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
	p := &pair{t: t, j: New(limit, plenty), m: &model{limit: limit, ended: map[string]settledItem{}, tally: map[string]tally{}, reads: map[string]time.Time{}}, draw: draw, now: time.UnixMilli(1_000_000)}
	p.j.InUse = p.m.needs
	return p
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
		c.Supersedes = []state.Superseded{{ID: "old", Predecessor: true}}
	}
	return c
}

func (p *pair) tombstone() Tombstone {
	t := Tombstone{
		ID: p.id(), Death: death(uint64(1+p.draw(5)), uint32(1+p.draw(2)), state.Reason(1+p.draw(4))),
		From: uint8(p.draw(3)), Pending: p.draw(3) > 0, IfLive: p.draw(3) == 0, EndsSuccessors: p.draw(4) == 0,
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
		c := p.copy()
		shard := p.shard()
		anonymous := p.draw(2) == 0
		got, err := p.j.Add(shard, c, anonymous)
		want, wantErr := p.m.add(shard, c, anonymous)
		p.equal("Add", []any{got, err}, []any{want, wantErr})
	case 4, 5, 6, 7, 8:
		p.addTombstone()
	case 9, 10:
		p.shown = append(p.shown, p.j.PendingTombstones(p.shard())...)
		for len(p.shown) > p.draw(6) {
			t := p.shown[0]
			p.shown = p.shown[1:]
			known := t.Death
			if p.draw(6) == 0 {
				known.Dot.Clock++
			}
			sameAs(p, "Arrived", p.j.Arrived(t, known, p.now), p.m.arrived(t, known, p.now))
		}
	case 11, 12:
		p.removeHints()
	case 13, 14:
		c := p.copy()
		shard := p.shard()
		at := p.at()
		got, err := p.j.Keep(shard, c, at)
		want, wantErr := p.m.keep(shard, c, at)
		p.equal("Keep", []any{got, err}, []any{want, wantErr})
	case 15:
		id := p.id()
		entries := p.entries()
		before := p.at()
		p.j.Carried(id, entries, before)
		p.m.carried(id, entries, before)
	case 16:
		shard, before := p.shard(), p.at()
		p.j.Forget(shard, before)
		p.m.forget(shard, before)
	case 17:
		kept := p.at()
		before := p.now.Add(-time.Duration(p.draw(300)) * time.Second)
		p.j.Expire(before, before, kept)
		p.m.expire(kept)
		p.settledExpire(before)
	case 18:
		if id := p.id(); p.draw(2) == 0 {
			p.m.reads[id] = p.at()
		} else {
			delete(p.m.reads, id)
		}
		p.rare()
	default:
		id := p.id()
		if p.draw(2) == 0 {
			p.j.Refused(id)
			p.m.tombstoneOf(id, func(t *Tombstone) { t.tries++ })
			return
		}
		p.j.NothingToEnd(id, p.now)
		p.m.nothingToEnd(id, p.now)
	}
}

// settledExpire compares which tombstones of the revocation set have expired: it may keep
// one for a minute longer.
func (p *pair) settledExpire(before time.Time) {
	for id, t := range p.m.ended {
		_, known := p.j.Tombstone(id)
		switch {
		case !known && !t.heard.Before(before):
			p.t.Fatalf("step %d: %s expired, which was heard of at %v, not before %v", p.step, id, t.heard, before)
		case known && t.heard.Add(time.Minute+time.Second).Before(before):
			p.t.Fatalf("step %d: %s stays, which was heard of at %v, long before %v", p.step, id, t.heard, before)
		case !known:
			delete(p.m.ended, id)
		}
	}
}

func (p *pair) addTombstone() {
	t := p.tombstone()
	shard := p.shard()
	keeps := p.draw(2) == 0
	told := 0
	got, err := p.j.AddTombstone(shard, t, p.now, func() { told++ }, func(state.Copy, Tombstone) bool { return keeps })
	want, wantTold, wantErr := p.m.addTombstone(shard, t, p.now, keeps)
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
		p.j.LostData(shard)
		p.m.lostData(shard)
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
			States: all.States + want.States, Tombstones: all.Tombstones + want.Tombstones, Again: all.Again + want.Again,
			Reading: all.Reading + want.Reading, Bytes: all.Bytes + want.Bytes, Delivered: all.Delivered + want.Delivered, Lost: all.Lost + want.Lost,
		}
		p.compareShard(s, 1+p.draw(3))
	}
	all.Known = all.Tombstones + all.Again + len(p.m.ended)
	total := p.j.Total()
	total.SetBytes = 0
	sameAs(p, "Total", total, all)
	if all.Bytes > p.m.limit {
		p.t.Fatalf("step %d: %d bytes, more than %d", p.step, all.Bytes, p.m.limit)
	}
	for i := range 9 {
		id := ids[i]
		want, ended := p.m.tombstone(id)
		got, ok := p.j.Tombstone(id)
		sameAs(p, "Tombstone", got, want)
		sameAs(p, "Tombstone is known", ok, ended)

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
