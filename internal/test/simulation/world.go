package simulation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// world is one run of a plan.
type world struct {
	cfg   Config
	plan  Plan
	store *cluster
	start time.Time

	visits sync.WaitGroup // requests and deployments under way

	mu        sync.Mutex // guards all below; taken after store.mu
	instances []*instance
	browsers  []*browser
	copies    []*browser
	history   History
	trace     []line
	counts    map[string]int
	births    int
	stages    map[int]int // by place: which keys it has
	requests  int
	broken    []Violation // what needs no oracle: panics
}

type line struct {
	at   time.Duration
	text string
}

// instance is one generation of one place.
type instance struct {
	Instance
	place, generation, birth int
	client                   *client
	busy                     sync.WaitGroup
	lever                    *lever
	cache                    *cached // nil: none
	dead                     bool    // guarded by world.mu
}

// browser is a jar, and its owner's number.
type browser struct {
	number int // -1: the attacker
	copy   int
	jar    *Jar
}

// Run runs a plan in a bubble of its own, and judges it. A plan that hangs is
// named before the test times out.
func Run(t *testing.T, cfg Config, p Plan) (v Verdict) {
	t.Helper()
	defer timeleft.Watch(t, fmt.Sprintf("seed %d", p.Seed))()
	synctest.Test(t, func(t *testing.T) {
		w := &world{cfg: cfg, plan: p, start: time.Now(), counts: map[string]int{}, stages: map[int]int{}}
		w.store = newCluster(p.Shards, p.Seed, cfg.Off, w.log)
		w.history = History{
			Timing: p.Timing, Skews: p.Skews, WithoutBackup: cfg.WithoutBackup,
			ByTime: slices.Contains(cfg.Worlds, ByTime), Shards: p.Shards,
		}
		if err := w.run(); err != nil {
			t.Errorf("seed %d: %v", p.Seed, err)
		}
		v = Verdict{Plan: p, Counts: w.counts, History: w.history, trace: w.trace, name: w.store.name}
		v.Violations = append(w.broken, judge(w.history, func(what string) { w.counts[what]++ })...)
	})
	return v
}

func (w *world) run() error {
	for place := range w.plan.Skews {
		i, err := w.born(place, 0)
		if err != nil {
			return err
		}
		w.instances = append(w.instances, i)
	}
	for b := range w.plan.Browsers {
		w.browsers = append(w.browsers, &browser{number: b, jar: &Jar{Host: host}})
	}
	for _, s := range w.plan.Steps {
		time.Sleep(s.At - w.now())
		if err := w.do(s); err != nil {
			return err
		}
	}
	w.visits.Wait()
	w.settle()
	w.mu.Lock()
	instances := w.instances
	w.mu.Unlock()
	for _, i := range instances {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := i.Close(ctx); err != nil {
			w.violate(Violation{At: w.now(), Promise: "close", Text: fmt.Sprintf("instance %c did not close in a world that is well: %v", 'A'+i.place, err)})
		}
		cancel()
		w.bury(i)
	}
	return nil
}

func (w *world) now() time.Duration { return time.Since(w.start) }

// log adds to the history.
func (w *world) log(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.appendLocked(e)
}

// appendLocked is log with w.mu held.
func (w *world) appendLocked(e Event) {
	e.At = w.now()
	w.history.Events = append(w.history.Events, e)
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

func (w *world) tell(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, line{w.now(), fmt.Sprintf(format, a...)})
}

func (w *world) violate(v Violation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, v)
}

func (w *world) born(place, generation int) (*instance, error) {
	w.mu.Lock()
	w.births++
	birth := w.births
	w.appendLocked(Event{Kind: Born, Instance: place, Birth: birth})
	stage := w.stages[place]
	w.mu.Unlock()
	i := &instance{place: place, generation: generation, birth: birth, client: newClient(w.store, place, birth), lever: &lever{}}
	i.client.start = w.start
	i.client.saveTimeout = w.plan.Timing.SaveTimeout
	i.client.observe = w.count
	i.client.journal = func(e Event) {
		e.Instance, e.Birth = place, birth
		w.log(e)
	}
	for s := range i.client.links {
		w.log(Event{Kind: Linked, Instance: place, Birth: birth, Shard: s, Healthy: true, InBudget: true})
	}
	skew := time.Duration(0)
	if place < len(w.plan.Skews) {
		skew = w.plan.Skews[place]
	}
	store := session.Store(i.client)
	if w.plan.Cached {
		i.cache = newCached(i.client)
		store = i.cache
	}
	var err error
	i.Instance, err = w.cfg.New(Spec{
		Timing: w.plan.Timing, Instance: place, Generation: generation, Store: store,
		Skew: skew, Count: w.count,
		Journal: w.plan.Journal, Switch: i.lever, Keys: stage,
	})
	return i, err
}

// bury cuts an instance off from everything.
func (w *world) bury(i *instance) {
	w.mu.Lock()
	i.dead = true
	w.mu.Unlock()
	for s := range i.client.links {
		i.client.links[s].set(Refuse, true)
	}
}

func (w *world) do(s Step) error {
	w.tell("%v", s)
	switch s.Do {
	case Visit:
		w.visit(s, w.browsers[s.Browser])
	case Impersonate:
		if len(w.copies) == 0 {
			return nil
		}
		w.replay(s)
	case Copy:
		w.mu.Lock()
		b := &browser{number: -1, copy: len(w.copies) + 1, jar: w.browsers[s.Browser].jar.Clone()}
		w.copies = append(w.copies, b)
		w.counts["jar copied"]++
		w.mu.Unlock()
	case Break:
		w.breakLinks(s.Instance, s.Shard, s.Fault)
	case Restart, Flush:
		w.count("a shard lost its memory")
		w.store.forget(s.Shard, s.Do == Restart)
	case Crash, Deploy:
		return w.replace(s)
	default:
		return w.nemesis(s)
	}
	return nil
}

// breakLinks gives links a fault; -1 stands for all.
func (w *world) breakLinks(place, shard int, f Fault) {
	w.mu.Lock()
	instances := append([]*instance(nil), w.instances...)
	w.counts["link: "+f.String()]++
	w.mu.Unlock()
	for _, i := range instances {
		for s := range i.client.links {
			if (place < 0 || place == i.place) && (shard < 0 || shard == s) {
				w.log(Event{Kind: Linked, Instance: i.place, Birth: i.birth, Shard: s, Healthy: f.well(), InBudget: f.inBudget()})
				i.client.links[s].set(f, false)
				if i.cache != nil {
					i.cache.broken(f)
				}
			}
		}
	}
}

// replace puts a new instance in the place of an instance that crashes, or that is
// closed once its requests are answered.
func (w *world) replace(s Step) error {
	w.mu.Lock()
	old := w.instances[s.Instance]
	w.mu.Unlock()
	if s.Do == Crash {
		w.count("instance crashed")
		w.log(Event{Kind: Died, Instance: old.place, Birth: old.birth})
		w.bury(old)
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_ = old.Close(gone) // ends its goroutines; it reaches nobody
	}
	fresh, err := w.born(old.place, old.generation+1)
	if err != nil {
		return err
	}
	for i := range fresh.client.links { // the network is what it was
		fault, _, _ := old.client.links[i].state()
		if s.Do == Crash {
			fault = Healthy
		}
		w.log(Event{Kind: Linked, Instance: fresh.place, Birth: fresh.birth, Shard: i, Healthy: fault.well(), InBudget: fault.inBudget()})
		fresh.client.links[i].set(fault, false)
		fresh.client.links[i].stall(time.Now().Add(old.client.links[i].stalls()))
	}
	w.mu.Lock()
	mode := old.lever.mode.Load()
	fresh.lever.mode.Store(mode)
	w.appendLocked(Event{Kind: Overridden, Instance: fresh.place, Birth: fresh.birth, Mode: session.Mode(mode)})
	w.instances[s.Instance] = fresh
	w.mu.Unlock()
	if s.Do == Deploy {
		w.count("instance deployed")
		w.visits.Go(func() {
			old.busy.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			err := old.Close(ctx)
			w.tell("instance %c, generation %d, closed: %v", 'A'+old.place, old.generation, err)
			w.log(Event{Kind: Died, Instance: old.place, Birth: old.birth, Clean: err == nil})
			w.bury(old)
		})
	}
	return nil
}

// settle heals the world, lets time pass, and has each browser and thief look once more.
func (w *world) settle() {
	w.breakLinks(-1, -1, Healthy)
	w.setMode(-1, session.Auto)
	w.log(Event{Kind: Healed})
	w.tell("all is well from here on")
	time.Sleep(w.plan.Timing.Settle + 2*time.Second)
	w.log(Event{Kind: Settled})
	w.look(w.browsers)
	time.Sleep(w.plan.Timing.Settle) // for what they have brought back
	w.log(Event{Kind: Settled})
	w.look(w.copies)
	if w.plan.Outlast {
		w.tell("nobody comes for longer than the idle timeout")
		time.Sleep(w.plan.Timing.Idle + 2*w.plan.Timing.Refresh + 50*time.Second)
		w.look(append(slices.Clone(w.browsers), w.copies...))
	}
}

// look has each of the browsers ask every instance for what it shows.
func (w *world) look(who []*browser) {
	for place := range w.instances {
		for _, b := range who {
			w.send(Step{Route: Read, Instance: place, Up: 1100003, Down: 900007}, b, b.jar, true)
			w.visits.Wait()
			time.Sleep(1000003)
		}
	}
}
