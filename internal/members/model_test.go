package members

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
)

var seeds = flag.Int("seeds", 25, "how many worlds the model test goes through")

// TestWhateverHappensEveryInstanceKnowsEveryLogout lets instances append, crash and start
// and the store lose and fail, in any order. One instance that has read everything
// survives.
func TestWhateverHappensEveryInstanceKnowsEveryLogout(t *testing.T) {
	n := *seeds
	if testing.Short() {
		n = min(n, 8)
	}
	for seed := range uint64(n) {
		synctest.Test(t, func(t *testing.T) { newStory(seed).tell(t) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// story is one run of the model.
type story struct {
	*rand.Rand
	f         *store
	all       []*process
	instances uint32
	sessions  int
	returned  map[int]time.Time  // when Append returned for a session
	order     []int              // those sessions
	open      map[*process][]int // those of them that a process did not know when it was asked
	looked    map[*process]int   // how many of them it was asked for
	snapshots []map[string]record
	crashed   time.Time
	lost      time.Time // when the store last lost something
	log       []string
}

func newStory(seed uint64) *story {
	return &story{Rand: rand.New(rand.NewPCG(seed, 5)), f: newStore(), returned: make(map[int]time.Time), open: make(map[*process][]int), looked: make(map[*process]int)}
}

func (s *story) tell(t *testing.T) {
	s.f.latency = time.Duration(s.IntN(5)) * time.Millisecond
	for range 3 {
		s.begin()
	}
	time.Sleep(5 * time.Second)
	for range 60 {
		s.step(t)
		time.Sleep(time.Duration(s.IntN(2500)) * time.Millisecond)
		if t.Failed() {
			break
		}
	}
	s.f.failing(nil)
	s.f.losing(nil)
	time.Sleep(15 * time.Second) // segments that are missing were waited for
	for _, p := range s.all {
		s.check(t, p, "in the end", time.Now())
		if !p.Complete(time.Now()) {
			t.Errorf("instance %d is not complete in the end", p.Instance)
		}
	}
	if !t.Failed() {
		time.Sleep(max(0, time.Until(s.crashed.Add(4*time.Minute)))) // until the rows of those that are gone say so
		time.Sleep(20 * time.Second)
		late := start(s.f, 1000)
		time.Sleep(15 * time.Second)
		s.check(t, late, "one that starts", time.Now())
		s.all = append(s.all, late)
	}
	for _, p := range s.all {
		p.crash()
		<-p.gone
		p.wg.Wait()
	}
	if len(s.f.smaller) > 0 {
		t.Errorf("replaced by less: %v", s.f.smaller)
	}
	if t.Failed() {
		t.Log(strings.Join(s.log, "\n"))
	}
}

func (s *story) note(what string) { s.log = append(s.log, time.Now().Format("05.000 ")+what) }

func (s *story) begin() {
	s.instances++
	s.note("an instance starts")
	s.all = append(s.all, start(s.f, s.instances))
}

// step does one thing.
func (s *story) step(t *testing.T) {
	p := s.all[s.IntN(len(s.all))]
	switch s.IntN(16) {
	case 0:
		if len(s.all) < 6 {
			s.begin()
		}
	case 1: // one that has read everything stays
		if i := s.IntN(len(s.all)); s.survives(i) {
			s.note("an instance crashes")
			s.crashed = time.Now()
			s.all[i].crash()
			s.all = slices.Delete(s.all, i, i+1)
		}
	case 2:
		s.snapshots = append(s.snapshots, s.f.snapshot())
	case 3:
		if len(s.snapshots) > 0 {
			s.note("the store goes back")
			s.lost = time.Now()
			s.f.restore(s.snapshots[s.IntN(len(s.snapshots))])
		}
	case 4:
		s.note("the store is emptied")
		s.lost = time.Now()
		s.f.evict("")
	case 5:
		s.note("the members record is evicted")
		s.lost = time.Now()
		s.f.evict(recordid.Members)
	case 6:
		s.evictSegments()
	case 7:
		s.disturb()
	case 8:
		s.note("the members record is damaged")
		s.lost = time.Now()
		s.damage(recordid.Members, 1)
	case 9:
		s.note("segments are damaged")
		s.lost = time.Now()
		s.damage("log-", 3)
	default:
		s.append(p)
	}
	if time.Since(s.lost) > promised { // until then an instance may not have noticed
		for _, p := range s.all {
			s.check(t, p, "meanwhile", time.Now().Add(-promised-budget))
		}
	}
}

// survives reports whether another instance than that with index i has read everything.
func (s *story) survives(i int) bool {
	for k, p := range s.all {
		if k != i && p.Complete(time.Now()) && s.knowsAll(p) {
			return true
		}
	}
	return false
}

func (s *story) knowsAll(p *process) bool { return len(s.unknown(p)) == 0 }

// unknown returns which sessions p does not know to have ended. It looks only once for one
// that it knows: a set forgets nothing in this test.
func (s *story) unknown(p *process) []int {
	s.open[p] = append(s.open[p], s.order[s.looked[p]:]...)
	s.looked[p] = len(s.order)
	s.open[p] = slices.DeleteFunc(s.open[p], func(n int) bool { return p.set.knows(idOf(n)) })
	return s.open[p]
}

// evictSegments takes some segments away.
func (s *story) evictSegments() {
	s.note("segments are evicted")
	s.lost = time.Now()
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.f.records)) {
		if strings.HasPrefix(id, "log-") && s.IntN(3) == 0 {
			delete(s.f.records, id)
		}
	}
}

// damage changes a byte of one record in a number.
func (s *story) damage(prefix string, one int) {
	s.f.damage(prefix, func() bool { return s.IntN(one) == 0 }, func(b []byte) { b[s.IntN(min(len(b), 8))] ^= byte(1 + s.IntN(255)) })
}

// disturb makes a part of the operations fail for a while, or their answers get lost.
func (s *story) disturb() {
	one := s.IntN(8) + 2
	r := rand.New(rand.NewPCG(s.Uint64(), 1))
	fails := func(string, string) error {
		if r.IntN(one) == 0 {
			return errDown
		}
		return nil
	}
	s.note("the store fails")
	if s.IntN(2) == 0 {
		s.f.failing(fails)
	} else {
		s.f.losing(fails)
	}
	time.Sleep(time.Duration(s.IntN(3000)) * time.Millisecond)
	s.f.failing(nil)
	s.f.losing(nil)
	s.note("the store is well")
	time.Sleep(promised + budget) // what returned in the meantime is announced now
}

func (s *story) append(p *process) {
	n := 1
	switch s.IntN(6) {
	case 0:
		n = 1 + s.IntN(80)
	case 1:
		if s.IntN(3) == 0 {
			n = 1 + s.IntN(1500)
		}
	}
	sessions := seq(s.sessions, s.sessions+n)
	s.sessions += n
	if p.ends(sessions...) != nil {
		return
	}
	s.note("sessions end")
	for _, x := range sessions {
		s.returned[x] = time.Now()
		s.order = append(s.order, x)
	}
}

// check checks that p knows what was appended before a time, if it knows everything by its
// own account.
func (s *story) check(t *testing.T, p *process, when string, before time.Time) {
	if !p.Complete(time.Now()) {
		return
	}
	missing := 0
	for _, n := range s.unknown(p) {
		if s.returned[n].Before(before) {
			missing++
		}
	}
	if missing > 0 {
		s.note("*** it was noticed")
		t.Errorf("%s: instance %d says that it is complete, and does not know %d of %d", when, p.Instance, missing, len(s.returned))
	}
}
