package jar_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/jar"
)

// world is one browser and one instance. Requests reach the instance in the
// order in which they are sent, answers reach the browser late and in any
// order. Every write is made in an outage: a copy holds the writes of those
// that its request carried and one more, and nothing else has them.
//
// Where there are several instances each request reaches any of them, and none
// knows of what the others have given out: then answers displace each other's,
// and the budget holds all the same.
type world struct {
	slots    []jar.Slots
	r        *rand.Rand
	now      time.Time
	id       string // that the browser sends
	parts    int    // of each copy; 0: of any size
	budget   int
	layout   jar.Layout
	jar      [jar.Most]*sealedCopy // a cookie holds a part of a copy, or nothing
	requests []*request            // all that ever were
	writes   map[string]bool       // that arrived
	most     int                   // bytes at any time
	defers   bool                  // some answers have no room for their deletions
	crowded  bool                  // somebody found no free slot
	log      []string
}

type sealedCopy struct {
	name   string
	at     jar.Mask
	values []jar.Value // one for each cookie that it lies in
	writes map[string]bool
}

const cookieName = "__Host-session-b0"

// bytes is what the copies take up in a Cookie header.
func (w *world) bytes() (n int) {
	for i, b := range w.jar {
		if b != nil {
			n += jar.Bytes(cookieName, b.values[(b.at&(1<<i-1)).Len()].String())
		}
	}
	return n
}

// request is what the test knows of a visit, kept in the plainest way.
type request struct {
	visit       *jar.Visit
	carried     jar.Mask
	known       map[*sealedCopy]bool // the whole copies that it carried
	answer      *sealedCopy          // what its answer sets, once it took a slot
	drop        jar.Mask
	sent        bool // the answer has left for the browser
	arrived     bool
	left        bool
	held        jar.Mask // now
	overlapping jar.Mask // held by others at some time since it began
	leftAt      time.Time
	renewed     string // the session's new ID, which comes with the answer
}

// whole returns the copies of which all cookies are in the jar.
func (w *world) whole() map[*sealedCopy]bool {
	all := map[*sealedCopy]bool{}
	for _, b := range w.jar {
		if b != nil && w.lies(b) == b.at {
			all[b] = true
		}
	}
	return all
}

func (w *world) lies(b *sealedCopy) (m jar.Mask) {
	for i := range w.jar {
		if w.jar[i] == b {
			m |= 1 << i
		}
	}
	return m
}

func (w *world) say(format string, a ...any) { w.log = append(w.log, fmt.Sprintf(format, a...)) }

func (w *world) begin() {
	q := &request{known: w.whole()}
	var names []string
	for b := range q.known {
		names = append(names, b.name)
	}
	for i := range w.jar {
		if w.jar[i] != nil {
			q.carried |= 1 << i
		}
	}
	for _, p := range w.requests {
		if p.answer != nil && (slices.Contains(names, p.answer.name) || p.left && w.now.Sub(p.leftAt) >= 30*time.Second) {
			p.held = 0
		}
		q.overlapping |= p.held
	}
	q.visit = w.slots[w.r.IntN(len(w.slots))].Enter(w.id, q.carried, names, w.now)
	w.requests = append(w.requests, q)
	w.hold(q, q.carried)
	w.say("%d begins with %04b", len(w.requests)-1, q.carried)
}

// hold makes q hold m, as all that have not left see.
func (w *world) hold(q *request, m jar.Mask) {
	q.held = m
	for _, p := range w.requests {
		if p != q && !p.left {
			p.overlapping |= m
		}
	}
}

func (w *world) take(i int) error {
	q := w.requests[i]
	name := fmt.Sprintf("n%d.%d", i, len(w.log))
	if w.r.IntN(5) == 0 {
		q.renewed = "id of " + name
		q.visit.Also(q.renewed)
	}
	room := w.layout.Room(cookieName)
	most := room - len("nnnnnn.0.1.")
	parts := w.parts
	if parts == 0 {
		parts = 1 + w.r.IntN(w.layout.Cookies)
	}
	values, err := jar.Split(jar.NewName(), strings.Repeat("x", (parts-1)*most+1+w.r.IntN(most)), room)
	if err != nil || len(values) != parts {
		return fmt.Errorf("%d parts are %d, %w", parts, len(values), err)
	}
	slots := w.layout.Cookies / parts
	set, drop := q.visit.Take(name, parts, w.now)
	again := q.answer != nil && q.answer.at == set
	w.say("%d takes %04b and drops %04b", i, set, drop)
	q.answer = &sealedCopy{name, set, values, map[string]bool{name: true}}
	q.drop = drop
	for b := range q.known {
		maps.Copy(q.answer.writes, b.writes)
	}
	free := false
	for k := range slots {
		free = free || (1<<parts-1)<<(k*parts)&(q.carried|q.overlapping) == 0
	}
	if !free || len(w.slots) > 1 {
		w.crowded = true
	}
	switch {
	case set.Len() != parts:
		return fmt.Errorf("%d got %d cookies, want %d", i, set.Len(), parts)
	case drop&^q.carried != 0 || drop&set != 0:
		return fmt.Errorf("%d drops %04b, and carried %04b and sets %04b", i, drop, q.carried, set)
	case free && !again && len(w.slots) == 1 && set&(q.carried|q.overlapping) != 0:
		return fmt.Errorf("%d got %04b, and others held %04b while it was there", i, set, q.overlapping)
	}
	w.hold(q, q.carried|set)
	return nil
}

func (w *world) arrive(i int) error {
	q := w.requests[i]
	q.arrived = true
	w.say("the answer of %d arrives", i)
	w.writes[q.answer.name] = true
	if q.renewed != "" {
		w.id = q.renewed
	}
	later := w.defers && w.r.IntN(4) == 0 // the deletions wait for another answer
	for c, b := range w.jar {
		if (q.answer.at | q.drop).Has(c) && b != nil && !q.known[b] && !w.crowded {
			return fmt.Errorf("the answer of %d displaces %s, which its request did not carry", i, b.name)
		}
		switch {
		case q.answer.at.Has(c):
			w.jar[c] = q.answer
		case q.drop.Has(c) && !later:
			w.jar[c] = nil
		}
		if got := w.bytes(); got > w.budget { // after each line of the answer
			return fmt.Errorf("the answer of %d makes the jar %d bytes, the budget is %d", i, got, w.budget)
		}
	}
	w.most = max(w.most, w.bytes())
	return w.complete()
}

// complete checks that the jar still has every write that arrived in it.
func (w *world) complete() error {
	if w.crowded {
		return nil
	}
	have := map[string]bool{}
	for b := range w.whole() {
		maps.Copy(have, b.writes)
	}
	for name := range w.writes {
		if !have[name] {
			return fmt.Errorf("the write of %s is no longer in the jar", name)
		}
	}
	return nil
}

func (w *world) leave(i int) {
	q := w.requests[i]
	w.say("%d leaves", i)
	q.visit.Leave(w.now)
	q.left, q.leftAt = true, w.now
	if q.answer == nil {
		q.held = 0
	}
}

// step does one of the things that can happen. At most open requests are there
// at once, as the browser sees it.
func newWorld(seed, stream uint64, instances, budget int, layout jar.Layout) *world {
	w := &world{
		slots: make([]jar.Slots, instances), r: rand.New(rand.NewPCG(seed, stream)), now: start, id: "id",
		budget: budget, layout: layout, writes: map[string]bool{},
	}
	for i := range w.slots {
		w.slots[i].Cookies = layout.Cookies
	}
	return w
}

func (w *world) step(open int) error {
	var can []func() error
	n := 0
	for i, q := range w.requests {
		if !q.left || q.answer != nil && !q.arrived {
			n++
		}
		if !q.left && !q.sent {
			can = append(can, func() error { return w.take(i) })
		}
		if !q.left && q.answer != nil && !q.sent {
			can = append(can, func() error { q.sent = true; return nil })
		}
		if q.sent && !q.arrived {
			can = append(can, func() error { return w.arrive(i) })
		}
		if !q.left && (q.sent || q.answer == nil) {
			can = append(can, func() error { w.leave(i); return nil })
		}
	}
	if n < open {
		can = append(can, func() error { w.begin(); return nil })
	}
	if n == 0 && w.r.IntN(10) == 0 {
		w.now = w.now.Add(31 * time.Second)
	}
	return can[w.r.IntN(len(can))]()
}

func TestNoAnswerDisplacesAnothersWhileASlotIsFree(t *testing.T) {
	for _, open := range []int{1, 2, 3, 4} {
		for _, layout := range [][2]int{{4, 0}, {4, 1}, {4, 2}, {4, 3}, {4, 4}, {3, 1}, {2, 1}, {3, 0}} {
			cookies, parts := layout[0], layout[1]
			const worlds = 600
			var crowded, arrived, most int
			for seed := range worlds {
				w := newWorld(uint64(seed), uint64(parts), 1, 6144, jar.Layout{Cookies: cookies, Share: 6144 / cookies})
				w.parts = parts
				for range 40 {
					if err := w.step(open); err != nil {
						t.Fatalf("%d open, %d parts, seed %d: %v\n%s", open, parts, seed, err, w.log)
					}
				}
				arrived += len(w.writes)
				most = max(most, w.most)
				if w.crowded {
					crowded++
				}
			}
			t.Logf("%d open, %d parts of %d cookies: %d answers arrived, %d of %d browsers found no free slot, at most %d bytes",
				open, parts, cookies, arrived, crowded, worlds, most)
			if alone := open == 1 && parts > 0 && cookies/parts > 1; alone && crowded > 0 {
				t.Errorf("one request at a time with %d parts of %d cookies: %d of %d found no free slot, want 0", parts, cookies, crowded, worlds)
			}
			if arrived < worlds {
				t.Errorf("%d open, %d parts: got %d answers in %d browsers, want a test that tests more", open, parts, arrived, worlds)
			}
		}
	}
}

func TestTheBudgetBoundsTheJarWhateverArrivesInWhateverOrder(t *testing.T) {
	for _, sizes := range [][2]int{{1024, 1024}, {6144, 6144}, {6144, 2048}, {6144, 3072}, {6656, 2048}} {
		budget := sizes[0]
		for _, instances := range []int{1, 2, 3} {
			most := 0
			for seed := range 300 {
				w := newWorld(uint64(seed), uint64(instances), instances, budget, jar.Divide(budget, sizes[1]))
				w.defers = true
				for range 80 {
					if err := w.step(8); err != nil {
						t.Fatalf("%d instances, seed %d: %v\n%s", instances, seed, err, w.log)
					}
				}
				most = max(most, w.most)
			}
			t.Logf("%d instances, a budget of %d: the largest jar had %d bytes", instances, budget, most)
			if most < budget*9/10 {
				t.Errorf("%d instances: the largest jar had %d bytes of %d, want a test that tests more", instances, most, budget)
			}
		}
	}
}

func FuzzTheBudgetBoundsTheJar(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint16(6144))
	f.Add(uint64(2), uint8(1), uint16(1024))
	f.Fuzz(func(t *testing.T, seed uint64, instances uint8, budget uint16) {
		layout := jar.Divide(int(budget), max(1, int(budget)/(1+int(instances/4)%5)))
		if layout.Room(cookieName) <= len("nnnnnn.0.1.") {
			return
		}
		w := newWorld(seed, 0, 1+int(instances%4), int(budget), layout)
		w.defers = true
		for range 60 {
			if err := w.step(6); err != nil {
				t.Fatalf("%v\n%s", err, w.log)
			}
		}
	})
}

func TestTheLargestCopyLiesInOneCookieWhereTheBudgetHoldsTwo(t *testing.T) {
	for _, test := range []struct{ budget, largest, cookies int }{
		{6144, 2048, 3}, {6144, 3072, 2}, {6144, 3073, 4}, {6144, 6144, 4}, {6144, 1024, 4}, {6656, 2048, 3}, {6656, 3328, 2}, {2048, 1024, 2}, {1024, 1024, 4},
	} {
		if got, want := jar.Divide(test.budget, test.largest), (jar.Layout{Cookies: test.cookies, Share: test.budget / test.cookies}); got != want {
			t.Errorf("%d bytes for copies of %d: got %+v, want %+v", test.budget, test.largest, got, want)
		}
	}
}
