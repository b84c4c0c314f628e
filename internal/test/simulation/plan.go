package simulation

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Plan is all that is decided before a world begins.
type Plan struct {
	Seed             uint64
	Timing           Timing
	Skews            []time.Duration // one for each instance
	Shards, Browsers int
	Steps            []Step
	Journal          int  // how many bytes an instance may owe the store; 0: as many as usual
	Cached           bool // instances have a cache in front of the store
	Outlast          bool // at the end, wait until all sessions must be gone
}

// planner draws a plan.
type planner struct {
	*rand.Rand
	p    Plan
	at   time.Duration
	next int
	mood mood

	worlds map[World]bool // of the run
	calm   bool
}

// mood is what a plan is mostly about: a few writes around an outage find more
// than many of everything.
type mood struct {
	visit, outage, forget, crash, theft int  // weights
	logout, login                       int  // of 100 visits
	slow                                int  // of 100 visits that think long
	pause                               int  // of 100 pauses that are long
	stays                               bool // nobody ends a session
}

var moods = []mood{
	{visit: 70, outage: 14, forget: 6, crash: 2, theft: 8, logout: 6, login: 6, slow: 20, pause: 10},
	{visit: 60, outage: 25, forget: 5, logout: 3, login: 3, slow: 30, pause: 5},             // outages
	{visit: 60, outage: 15, forget: 5, theft: 20, logout: 12, login: 8, slow: 25, pause: 8}, // thieves
	{visit: 80, outage: 15, forget: 5, logout: 2, login: 3, slow: 60, pause: 2},             // tabs side by side
	{visit: 60, outage: 10, forget: 15, theft: 15, crash: 2, logout: 12, login: 5, slow: 15, pause: 10},
	{visit: 60, outage: 12, forget: 4, crash: 14, theft: 5, logout: 5, login: 5, slow: 20, pause: 5},
	{visit: 65, outage: 20, forget: 5, theft: 10, logout: 5, login: 5, slow: 10, pause: 30}, // long waits
}

// NewPlan makes the plan of a seed. Equal seeds and configurations give equal
// plans.
func NewPlan(seed uint64, cfg Config) Plan {
	d := &planner{Rand: rand.New(rand.NewPCG(seed, 0x5e55104)), calm: cfg.Calm}
	d.mood = moods[d.IntN(len(moods))]
	if cfg.Calm {
		d.mood.outage, d.mood.forget = 0, 0
		d.mood.crash, d.mood.theft = 0, 0
	}
	d.p = Plan{Seed: seed, Shards: 1 + d.IntN(2), Browsers: 1 + d.IntN(2), Timing: d.timing(), Outlast: d.IntN(5) == 0}
	d.p.Timing.Copy = cmp.Or(cfg.Copy, d.p.Timing.Budget)
	for range 2 + d.IntN(2) {
		d.p.Skews = append(d.p.Skews, d.skew(cfg))
	}
	d.at = d.span(time.Second, 2*time.Second)
	for b := range d.p.Browsers {
		d.first(b)
	}
	n := cmpOr(cfg.Steps, 20+d.IntN(41))
	story := -1
	if !cfg.Calm && d.IntN(2) == 0 || stories[cfg.Story] != nil {
		story = 1 + d.IntN(n)
	}
	worlds := d.enter(cfg, n)
	for ; n > 0; n-- {
		d.pause()
		for _, w := range worlds[n] {
			worldSteps[w](d)
		}
		if n == story && !d.mood.stays {
			d.story(cfg.Story)(d)
		}
		d.step()
	}
	slices.SortStableFunc(d.p.Steps, func(a, b Step) int { return int(a.At - b.At) })
	return d.p
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// span draws a duration, in odd nanoseconds.
func (d *planner) span(from, to time.Duration) time.Duration {
	return (from + time.Duration(d.Int64N(int64(to-from)))) | 1
}

func (d *planner) timing() Timing {
	t := Timing{ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond, Budget: 6144, Lifetime: 30 * time.Minute, Settle: 15 * time.Second}
	t.Lease = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute}[d.IntN(3)]
	t.MaxLease = t.Lease
	t.Idle = []time.Duration{40 * time.Second, 90 * time.Second, 5 * time.Minute}[d.IntN(3)]
	t.Refresh = t.Idle / 10
	if d.IntN(4) == 0 {
		t.Lifetime = 2 * time.Minute
		t.Idle = min(t.Idle, t.Lifetime)
		t.Refresh = t.Idle / 10
	}
	return t
}

func (d *planner) skew(cfg Config) time.Duration {
	if cfg.OneClock {
		return 0
	}
	switch d.IntN(4) {
	case 0:
		return d.span(-2*time.Second, 2*time.Second)
	case 1:
		return d.span(-20*time.Second, 20*time.Second)
	}
	return 0
}

func (d *planner) add(s Step) {
	d.next++
	s.N = d.next
	d.p.Steps = append(d.p.Steps, s)
}

// first gives a browser its session. Two answers that each begin one would
// leave the visitor with either.
func (d *planner) first(browser int) {
	s := Step{At: d.at, Do: Visit, Browser: browser, Instance: d.instance(), Route: Set, Up: d.span(1e6, 5e6), Down: d.span(1e6, 5e6)}
	if d.IntN(2) == 0 {
		s.Route = Login
	}
	d.add(s)
	d.at += d.span(200*time.Millisecond, time.Second)
}

func (d *planner) pause() {
	switch n := d.IntN(100); {
	case n < d.mood.pause:
		d.at += d.span(5*time.Second, 45*time.Second)
	case n < 40:
		d.at += d.span(0, 40*time.Millisecond)
	case n < 70:
		d.at += d.span(40*time.Millisecond, 500*time.Millisecond)
	default:
		d.at += d.span(500*time.Millisecond, 4*time.Second)
	}
}

func (d *planner) instance() int { return d.IntN(len(d.p.Skews)) }

func (d *planner) step() {
	n := d.IntN(d.mood.visit + d.mood.outage + d.mood.forget + d.mood.crash + d.mood.theft)
	for _, c := range []struct {
		weight int
		do     func()
	}{
		{d.mood.visit, d.visit}, {d.mood.outage, d.outage}, {d.mood.forget, d.forget},
		{d.mood.crash, d.crash}, {d.mood.theft, d.theft},
	} {
		if n < c.weight {
			c.do()
			return
		}
		n -= c.weight
	}
}

func (d *planner) visit() {
	s := Step{At: d.at, Do: Visit, Browser: d.IntN(d.p.Browsers), Instance: d.instance()}
	d.ask(&s)
	if d.IntN(100) < 8 {
		s.Lost = true
	}
	if d.IntN(100) < 4 {
		s.Abort = d.span(time.Millisecond, 200*time.Millisecond)
	}
	d.add(s)
}

// ask draws what a visitor or a thief asks, and how long it takes.
func (d *planner) ask(s *Step) {
	d.route(s)
	d.logIn(s)
	if d.IntN(100) < d.mood.slow {
		s.Think = d.span(5*time.Millisecond, 300*time.Millisecond)
		if d.IntN(5) == 0 {
			s.Think = d.span(300*time.Millisecond, 20*time.Second)
		}
	}
	s.Up, s.Down = d.span(1e6, 8e6), d.span(1e6, 8e6)
	switch d.IntN(10) {
	case 0:
		s.Down = d.span(8*time.Millisecond, 400*time.Millisecond)
	case 1:
		s.Up = d.span(8*time.Millisecond, 400*time.Millisecond)
	case 2:
		s.Down = d.span(400*time.Millisecond, 6*time.Second)
	}
}

// route draws the route that is asked, and its key.
func (d *planner) route(s *Step) {
	switch n := d.IntN(100); {
	case n < d.mood.logout:
		s.Route = Logout
	case n < d.mood.logout+d.mood.login:
		s.Route = Login
	case n < d.mood.logout+d.mood.login+1 && !d.mood.stays:
		s.Route = Begin
	case n < 50:
		s.Route = Set
		s.Key = d.IntN(registers)
		switch d.IntN(20) {
		case 0:
			s.Key = bulkKey
		case 1:
			s.Key = secretKey
		}
	case n < 66:
		s.Route, s.Key = Add, registers+d.IntN(carts)
	case n < 70:
		s.Route, s.Key = Delete, d.IntN(registers)
	case n < 92:
		s.Route = Read
	case n < 97:
		s.Route = ReadOnly
	default:
		s.Route = FromStore
	}
}

func (d *planner) outage() {
	s := Step{At: d.at, Do: Break, Instance: -1, Shard: -1, Fault: Fault(1 + d.IntN(int(faults)-1))}
	if d.IntN(3) > 0 {
		s.Instance = d.instance()
	}
	if d.IntN(2) == 0 {
		s.Shard = d.IntN(d.p.Shards)
	}
	d.add(s)
	if d.IntN(5) > 0 {
		s.Fault = Healthy
		s.At += d.span(50*time.Millisecond, 3*time.Second)
		if d.IntN(3) == 0 {
			s.At += d.span(0, 40*time.Second)
		}
		d.add(s)
	}
	if s.Instance < 0 && d.IntN(3) == 0 { // it was killed, and comes back empty
		d.add(Step{At: s.At - 1000, Do: Restart, Shard: max(0, s.Shard)})
	}
}

func (d *planner) forget() {
	s := Step{At: d.at, Do: Restart, Shard: d.IntN(d.p.Shards)}
	if d.IntN(4) == 0 {
		s.Do = Flush
	}
	d.add(s)
}

func (d *planner) crash() {
	s := Step{At: d.at, Do: Crash, Instance: d.instance()}
	if d.IntN(3) == 0 {
		s.Do = Deploy
	}
	d.add(s)
}

func (d *planner) theft() {
	if d.IntN(3) == 0 {
		d.add(Step{At: d.at, Do: Copy, Browser: d.IntN(d.p.Browsers)})
		return
	}
	s := Step{At: d.at, Do: Impersonate, Copy: d.IntN(4), Instance: d.instance()}
	d.ask(&s)
	switch d.IntN(6) {
	case 0:
		s.Route = Login
	case 1, 2, 3:
		s.Route = Read
	}
	if d.IntN(3) == 0 {
		s.Tamper = Tamper(d.IntN(int(tampers)))
	}
	d.add(s)
}
