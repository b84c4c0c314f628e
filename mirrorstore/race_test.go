package mirrorstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/mirrorstore"
)

// world is instances over two servers, and what their visitors were told.
type world struct {
	t         *testing.T
	r         *rand.Rand
	servers   [2]*server
	instances []*mirrorstore.Store
	done      chan struct{}
	all       sync.WaitGroup

	mu             sync.Mutex
	acked, doubted map[string]uint64
	failed, saves  int
	log            []string
}

var seeds = flag.Uint64("seeds", 20, "how many runs of the stores' faults there are")

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), servers: [2]*server{newServer(seed, 1), newServer(seed, 2)},
		done: make(chan struct{}), acked: map[string]uint64{}, doubted: map[string]uint64{},
	}
	for range 3 {
		w.instances = append(w.instances, mirrorstore.New(w.servers[0], w.servers[1], nil))
	}
	return w
}

// probes is what a Manager does each second.
func (w *world) probes(n int) {
	s := w.instances[n]
	id := session.ID(fmt.Sprintf("probe-%08x-0", n))
	for k := 0; ; k++ {
		select {
		case <-w.done:
			return
		case <-time.After(time.Second):
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, _ = s.Probe(ctx, s.Shard(alice))
		_, _ = s.Load(ctx, id)
		_, _ = s.Save(ctx, id, record(fmt.Sprint(n, k)), session.Any)
		cancel()
	}
}

// visits increments a value of a session again and again, each time at some instance.
func (w *world) visits(r *rand.Rand, id session.ID, name string, instance uint32) {
	var clock uint64
	for {
		select {
		case <-w.done:
			return
		case <-time.After(time.Duration(r.IntN(60)) * time.Millisecond):
		}
		s := w.instances[r.IntN(len(w.instances))]
		doubts, err := increment(s, id, name, instance, &clock)
		w.count(name, doubts, err)
	}
}

func (w *world) count(name string, doubts uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saves++
	w.doubted[name] += doubts
	if err == nil {
		w.acked[name]++
	} else {
		w.failed++
	}
}

func (w *world) note(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, a...))
}

func counted(st state.State, name string) uint64 {
	e, _ := st.Entries.Find(name)
	n, _ := binary.Uvarint(e.Value)
	return n
}

// increment is what a commit does: on a conflict it loads past all caches and applies itself to
// that; what got no answer is looked up once, and was done if its dot stands. Doubts is how many
// saves may have been done besides.
func increment(s session.Store, id session.ID, name string, instance uint32, clock *uint64) (doubts uint64, err error) {
	load := func(load func(context.Context, session.ID) (session.Record, error)) (session.Record, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		return load(ctx, id)
	}
	r, err := load(s.Load)
	for range 5 {
		if err != nil {
			return doubts, err
		}
		st, err := state.Decode(r.Data)
		if err != nil {
			return doubts, err
		}
		*clock = max(*clock, st.Entries.Latest(), state.ClockAt(time.Now())) + 1
		dot := state.Dot{Clock: *clock, Instance: instance}
		value := binary.AppendUvarint(nil, counted(st, name)+1)
		next := st.Write([]state.Change{{Name: name, Flags: state.Present, Value: value}}, dot)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, errSave := s.Save(ctx, id, encoded(next), r.Version)
		cancel()
		if errSave == nil {
			return doubts, nil
		}
		r, err = load(s.(session.FreshLoader).LoadFresh)
		if errors.Is(errSave, session.ErrConflict) {
			continue
		}
		if err == nil {
			if st, err = state.Decode(r.Data); err == nil && st.Entries.Has(dot) {
				return doubts, nil
			}
		}
		doubts++
	}
	return doubts, session.ErrConflict
}

// fault lets something go wrong with one of the two servers for a while.
func (w *world) fault(n int, kind string, d time.Duration) {
	w.note("%v: %d %s for %v", time.Now().Format("05.000"), n, kind, d)
	w.servers[n].fail(kind, d)
}

// Visitors count while the two stores fail in every way, one at a time.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	n := *seeds
	if testing.Short() {
		n = min(n, 4)
	}
	for seed := range n {
		synctest.Test(t, func(t *testing.T) { w := newWorld(t, seed); w.run(seed) })
	}
}

func (w *world) run(seed uint64) {
	ids := []session.ID{alice, "1123456789abcdef0123456789abcdef"}
	for _, id := range ids {
		mustSave(w.t, w.instances[0], id, encoded(begun()), session.Absent)
	}
	for n := range w.instances {
		w.all.Go(func() { w.probes(n) })
	}
	for n := range uint64(8) {
		name := string(rune('a' + n))
		id := ids[n%2]
		if n < 4 {
			name, id = "together", alice
		}
		w.all.Go(func() { w.visits(rand.New(rand.NewPCG(seed, 100+n)), id, name, uint32(n+1)) })
	}
	for range 6 {
		time.Sleep(time.Duration(w.r.IntN(2000)) * time.Millisecond)
		w.fault(w.r.IntN(2), faults[w.r.IntN(len(faults))], time.Duration(w.r.IntN(4000))*time.Millisecond)
		time.Sleep(3 * time.Second) // repairs
	}
	close(w.done)
	w.all.Wait()
	time.Sleep(time.Second)
	for n, s := range append(slices.Clone(w.instances), mirrorstore.New(w.servers[0], w.servers[1], nil)) {
		_, _ = s.Probe(context.Background(), s.Shard(alice))
		for _, id := range ids {
			r, err := s.LoadFresh(context.Background(), id)
			if err != nil {
				w.t.Fatalf("seed %d: %v", seed, err)
			}
			st, err := state.Decode(r.Data)
			if err != nil {
				w.t.Fatal(err)
			}
			for name, acked := range w.acked {
				mine := id == ids[(name[0]-'a')%2]
				if name == "together" {
					mine = id == alice
				}
				if got := counted(st, name); mine && (got < acked || got > acked+w.doubted[name]) {
					w.t.Errorf("seed %d: instance %d: %s: counted %d, with %d acknowledged and %d in doubt\n%v", seed, n, name, got, acked, w.doubted[name], w.log)
				}
			}
		}
		if w.t.Failed() {
			break
		}
	}
	if w.failed > w.saves/2 {
		w.t.Errorf("seed %d: %d of %d saves failed", seed, w.failed, w.saves)
	}
	for _, s := range w.servers {
		mustLoad(w.t, s.store, alice)
	}
}
