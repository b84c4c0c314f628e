package circuit_test

import (
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// model is the breaker as its rules are told: it keeps everything that
// happened and looks through all of it each time.
type model struct {
	start, latest time.Time
	state         circuit.State
	cause         circuit.Cause
	mode          circuit.Mode
	age           int // changes of state and mode
	since         time.Time

	operations []operation // since the last change of state
	probes     []bool      // since the shard went away: which were good
	asked      []time.Time // when probes were given out
	delivered  bool
	forgot     []time.Time
}

type operation struct {
	at           time.Time
	failed, slow bool
}

// pass is the model's ticket.
type pass struct {
	answer circuit.Answer
	probe  bool
	age    int
	began  time.Time
}

func newModel(now time.Time) *model { return &model{start: now, latest: now, since: now} }

func (m *model) sees(now time.Time) {
	if now.After(m.latest) {
		m.latest = now
	}
}

func (m *model) allow(now time.Time, backup bool) pass {
	p := pass{age: m.age, began: now}
	if m.mode == circuit.StoreOnly {
		p.answer = serve
	}
	if m.mode == circuit.Auto {
		switch m.state {
		case serving:
			p.answer = serve
		case returning:
			if !backup {
				p.answer = through
			}
		}
	}
	return p
}

func (m *model) probe(now time.Time) (p pass, wait time.Duration) {
	if len(m.asked) > 0 {
		due := m.asked[len(m.asked)-1].Add(time.Second)
		if wait = due.Sub(now); wait > 0 && wait < 2*time.Second {
			return pass{}, min(wait, time.Second)
		}
	}
	m.asked = append(m.asked, now)
	return pass{probe: true, age: m.age, began: now}, 0
}

func (m *model) report(p pass, now time.Time, budget time.Duration, o circuit.Outcome) (circuit.Change, bool) {
	if !p.probe && p.answer == no || o == circuit.Canceled || p.age != m.age {
		return circuit.Change{}, false
	}
	m.sees(now)
	done := operation{at: m.latest, failed: o == failed, slow: budget > 0 && now.Sub(p.began) > budget/2}
	if m.state != serving && p.probe {
		if done.failed || done.slow {
			return m.trips(m.cause)
		}
		if m.mode == circuit.BackupOnly {
			return circuit.Change{}, false
		}
		m.probes = append(m.probes, true)
		if m.state == away {
			return m.becomes(returning)
		}
		return m.returns()
	}
	if m.state == away {
		return circuit.Change{}, false
	}
	m.operations = append(m.operations, done)
	if m.row() >= 5 {
		return m.trips(circuit.FailuresInARow)
	}
	if all, bad := m.lastSecond(); all >= 20 && 2*bad >= all {
		return m.trips(circuit.HalfFailed)
	}
	return circuit.Change{}, false
}

func (m *model) row() int {
	n := 0
	for _, o := range m.operations {
		if n++; !o.failed {
			n = 0
		}
	}
	return n
}

// lastSecond counts in tenths of a second, the one under way included.
func (m *model) lastSecond() (all, bad int) {
	tenth := func(t time.Time) int64 { return t.Sub(m.start).Milliseconds() / 100 }
	for _, o := range m.operations {
		if tenth(m.latest)-tenth(o.at) >= 10 {
			continue
		}
		if all++; o.failed || o.slow {
			bad++
		}
	}
	return all, bad
}

func (m *model) trips(why circuit.Cause) (circuit.Change, bool) {
	m.cause = why
	m.probes = nil
	m.delivered = false
	return m.becomes(away)
}

func (m *model) returns() (circuit.Change, bool) {
	if m.state == returning && len(m.probes) >= 3 && m.delivered {
		return m.becomes(serving)
	}
	return circuit.Change{}, false
}

func (m *model) becomes(s circuit.State) (circuit.Change, bool) {
	if s == m.state {
		return circuit.Change{}, false
	}
	c := circuit.Change{From: m.state, To: s, Cause: m.cause, After: m.latest.Sub(m.since)}
	m.state = s
	m.since = m.latest
	m.operations = nil
	m.age++
	return c, true
}

func (m *model) deliver(now time.Time) (circuit.Change, bool) {
	m.sees(now)
	m.delivered = true
	return m.returns()
}

func (m *model) force(now time.Time, mode circuit.Mode) (circuit.Change, bool) {
	if mode == m.mode {
		return circuit.Change{}, false
	}
	m.sees(now)
	m.mode = mode
	m.age++
	if mode == circuit.BackupOnly {
		return m.trips(circuit.Forced)
	}
	return circuit.Change{}, false
}

func (m *model) forgets(now time.Time) {
	m.sees(now)
	m.forgot = append(m.forgot, m.latest)
	m.delivered = false
}

func (m *model) quarantine(now time.Time) time.Duration {
	left := time.Duration(0)
	for _, at := range m.forgot {
		left = max(left, at.Add(5*time.Second).Sub(now))
	}
	return left
}
