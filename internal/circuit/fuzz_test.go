package circuit_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// FuzzBreaker lives one life of a breaker and of its model side by side. The
// first byte is what may happen in it, each pair that follows is one event.
func FuzzBreaker(f *testing.F) {
	f.Add([]byte{0, 4, 0x85, 5, 0, 6, 0, 0, 50, 5, 0, 0, 50, 5, 0, 0, 50, 5, 0})
	f.Add([]byte{1, 4, 255, 0, 255, 4, 255})
	f.Add([]byte{0, 2, 0, 2, 1, 4, 0x85, 5, 0, 3, 2, 3, 2, 9, 0, 8, 1, 4, 0x85, 8, 0})
	for seed := range uint64(200) { // lives that are run by every go test
		r := rand.New(rand.NewPCG(seed, 0))
		life := make([]byte, 1+2*r.IntN(400))
		for i := range life {
			life[i] = byte(r.Uint32())
		}
		f.Add(life)
	}
	f.Fuzz(func(t *testing.T, life []byte) {
		if len(life) == 0 || len(life) > 1024 {
			return
		}
		p := newPair(t, life[0]&1 == 1, life[0]&2 == 0)
		for life = life[1:]; len(life) >= 2; life = life[2:] {
			p.event(life[0]%11, life[1])
			p.compare()
		}
		p.forgets()
		p.recovers()
	})
}

// pair is a breaker and its model, which have to say the same.
type pair struct {
	*testing.T
	b       *circuit.Breaker
	m       *model
	now     time.Time
	tickets []circuit.Ticket
	passes  []pass
	calm    bool // nobody fails, is slow or is forced
	back    bool // the clock may be set back
	trips   int
}

func newPair(t *testing.T, calm, back bool) *pair {
	now := time.Now()
	return &pair{T: t, b: circuit.New(now), m: newModel(now), now: now, calm: calm, back: back}
}

func (p *pair) event(what, how byte) {
	switch what {
	case 0:
		p.now = p.now.Add(time.Duration(how) * 20 * time.Millisecond)
	case 1:
		p.now = p.now.Add(time.Duration(how) * time.Millisecond)
		if p.back {
			p.now = p.now.Add(-time.Duration(how) * 5 * time.Millisecond)
		}
	case 2: // sent now, answered later
		p.allow(how&1 == 1)
	case 3:
		p.report(int(how>>2), circuit.Outcome(how%3))
	case 4: // a burst; the three high bits say how it goes
		for range how & 31 {
			i := p.allow(how&32 != 0)
			p.now = p.now.Add(3 * time.Millisecond)
			if !p.calm && how&64 != 0 {
				p.now = p.now.Add(25 * time.Millisecond)
			}
			p.report(i, circuit.Outcome(how>>7)*failed)
		}
	case 5, 6:
		if i := p.probe(); i >= 0 {
			p.now = p.now.Add(time.Duration(how&31) * time.Millisecond)
			if p.calm {
				p.now = p.now.Add(-time.Duration(how&31) * time.Millisecond)
			}
			p.report(i, circuit.Outcome(how>>7)*failed)
		}
	case 7:
		p.change(p.b.Delivered(p.now))(p.m.deliver(p.now))
	case 8:
		if !p.calm {
			mode := circuit.Mode(how % 3)
			p.change(p.b.Force(p.now, mode))(p.m.force(p.now, mode))
		}
	case 9:
		if how < 32 {
			p.b.Forgot(p.now)
			p.m.forgets(p.now)
		}
	case 10:
		p.b.Owe()
		p.m.delivered = false
	}
}

func (p *pair) allow(backup bool) int {
	got, want := p.b.Allow(p.now, backup), p.m.allow(p.now, backup)
	if got.Answer != want.answer {
		p.Fatalf("Allow(%t) = %v, want %v", backup, got.Answer, want.answer)
	}
	p.tickets, p.passes = append(p.tickets, got), append(p.passes, want)
	return len(p.tickets) - 1
}

func (p *pair) probe() int {
	got, wait := p.b.Probe(p.now)
	want, wantWait := p.m.probe(p.now)
	if wait != wantWait || wait > time.Second {
		p.Fatalf("the probe is due in %v, want %v", wait, wantWait)
	}
	if wait > 0 {
		return -1
	}
	p.tickets, p.passes = append(p.tickets, got), append(p.passes, want)
	return len(p.tickets) - 1
}

// report gives the i-th ticket back; some come twice, as nothing forbids it.
func (p *pair) report(i int, o circuit.Outcome) {
	if i >= len(p.tickets) {
		return
	}
	limit := budget
	if p.calm {
		o, limit = answered, 0
	}
	p.change(p.b.Report(p.tickets[i], p.now, limit, o))(p.m.report(p.passes[i], p.now, limit, o))
}

func (p *pair) change(got circuit.Change, news bool) func(circuit.Change, bool) {
	return func(want circuit.Change, wantNews bool) {
		p.Helper()
		if got != want || news != wantNews {
			p.Fatalf("changed: %t, %+v, want %t, %+v", news, got, wantNews, want)
		}
		if got.To == away && news {
			p.trips++
		}
	}
}

func (p *pair) compare() {
	p.Helper()
	got := p.b.State(p.now)
	p.m.sees(p.now)
	all, bad := p.m.lastSecond()
	want := circuit.Status{
		State: p.m.state, Mode: p.m.mode, Since: p.m.since, Cause: p.m.cause, Operations: all, Bad: bad,
		GoodProbes: len(p.m.probes), Owed: p.m.state != serving && !p.m.delivered,
		Quarantine: p.m.quarantine(p.now),
	}
	if got.State == serving {
		got.GoodProbes, want.GoodProbes = 0, 0
	}
	if !got.Since.Equal(want.Since) {
		p.Fatalf("since %v, want %v", got.Since, want.Since)
	}
	if got.Since = want.Since; got != want {
		p.Fatalf("%+v, want\n%+v", got, want)
	}
	if q := p.b.Quarantined(p.now); q != (want.Quarantine > 0) {
		p.Fatalf("quarantined: %t, with %v left", q, want.Quarantine)
	}
	if p.trips > 0 && p.calm {
		p.Fatal("it tripped, and nothing had failed")
	}
	if got.State == away && got.Mode == circuit.Auto &&
		(p.b.Allow(p.now, false).Answer != no || p.b.Allow(p.now, true).Answer != no) {
		p.Fatal("a request is sent while the shard is away")
	}
}

// forgets checks that a second later the window is empty, whatever was in it.
func (p *pair) forgets() {
	p.now = p.m.latest.Add(time.Second)
	if s := p.b.State(p.now); s.Operations != 0 || s.Bad != 0 {
		p.Fatalf("after a second: %+v", s)
	}
}

// recovers checks that three good probes and the delivery end any outage, and
// that fewer do not.
func (p *pair) recovers() {
	p.calm = false
	p.change(p.b.Force(p.now, circuit.BackupOnly))(p.m.force(p.now, circuit.BackupOnly))
	p.change(p.b.Force(p.now, circuit.Auto))(p.m.force(p.now, circuit.Auto))
	for range 3 {
		if s := p.b.State(p.now); s.State == serving {
			p.Fatalf("it serves too early: %v", s)
		}
		p.now = p.now.Add(time.Second)
		i := p.probe()
		if i < 0 {
			p.Fatal("no probe is due after a second")
		}
		p.report(i, answered)
		p.change(p.b.Delivered(p.now))(p.m.deliver(p.now))
		p.compare()
	}
	if s := p.b.State(p.now); s.State != serving {
		p.Fatalf("after three good probes: %v", s)
	}
}
