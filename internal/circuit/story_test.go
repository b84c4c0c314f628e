package circuit_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

const (
	budget = 50 * time.Millisecond
	quick  = time.Millisecond

	serving, away, returning = circuit.Serving, circuit.Away, circuit.Returning
	answered, failed         = circuit.Answered, circuit.Failed
	no, serve, through       = circuit.No, circuit.Serve, circuit.PassThrough
)

// story is a breaker and the time of its world.
type story struct {
	*testing.T
	b    *circuit.Breaker
	now  time.Time
	last circuit.Change
	held []circuit.Ticket
}

type step func(*story)

func (s *story) note(c circuit.Change, news bool) {
	if news {
		s.last = c
	}
}

// sends is n requests, one after the other, as far as they are allowed.
func sends(n int, o circuit.Outcome, took time.Duration) step {
	return func(s *story) {
		for range n {
			t := s.b.Allow(s.now, false)
			s.now = s.now.Add(took)
			s.note(s.b.Report(t, s.now, budget, o))
		}
	}
}

// probes waits for the next probe n times.
func probes(n int, o circuit.Outcome, took time.Duration) step {
	return func(s *story) {
		for range n {
			t, wait := s.b.Probe(s.now)
			if wait > 0 {
				s.now = s.now.Add(wait)
				if t, wait = s.b.Probe(s.now); wait > 0 {
					s.Fatalf("the probe was due, and is again in %v", wait)
				}
			}
			s.now = s.now.Add(took)
			s.note(s.b.Report(t, s.now, budget, o))
		}
	}
}

func holds(n int) step {
	return func(s *story) {
		for range n {
			s.held = append(s.held, s.b.Allow(s.now, false))
		}
	}
}

func releases(o circuit.Outcome) step {
	return func(s *story) {
		for _, t := range s.held {
			s.note(s.b.Report(t, s.now, budget, o))
		}
		s.held = nil
	}
}

func wait(d time.Duration) step { return func(s *story) { s.now = s.now.Add(d) } }
func delivered(s *story)        { s.note(s.b.Delivered(s.now)) }
func owes(s *story)             { s.b.Owe() }
func forgets(s *story)          { s.b.Forgot(s.now) }

func force(m circuit.Mode) step { return func(s *story) { s.note(s.b.Force(s.now, m)) } }

func is(want circuit.State) step {
	return func(s *story) {
		s.Helper()
		if got := s.b.State(s.now); got.State != want {
			s.Errorf("it is %v, want %v", got, want)
		}
	}
}

func allows(backup bool, want circuit.Answer) step {
	return func(s *story) {
		s.Helper()
		if got := s.b.Allow(s.now, backup).Answer; got != want {
			s.Errorf("backup %t: Allow says %v, want %v", backup, got, want)
		}
	}
}

func believes(want bool) step {
	return func(s *story) {
		s.Helper()
		if got := !s.b.Quarantined(s.now); got != want {
			s.Errorf("nothing is believed: %t, want %t", got, want)
		}
	}
}

func changed(words string) step {
	return func(s *story) {
		s.Helper()
		if got := s.last.String(); got != words {
			s.Errorf("the last change: %q, want %q", got, words)
		}
	}
}

func says(words string) step {
	return func(s *story) {
		s.Helper()
		if got := s.b.State(s.now).String(); got != words {
			s.Errorf("it says %q, want %q", got, words)
		}
	}
}

// times is the steps, n times over.
func times(n int, steps ...step) step {
	return func(s *story) {
		for range n {
			for _, do := range steps {
				do(s)
			}
		}
	}
}

var (
	trips = times(1, sends(5, failed, quick), is(away))
	heals = times(1, probes(3, answered, quick), delivered, is(serving))
)

var stories = []struct {
	name  string
	steps []step
}{
	{"five failures in a row trip", []step{
		sends(4, failed, budget), is(serving), sends(1, failed, budget), is(away),
		changed("away after 250ms serving: 5 failures in a row"),
		says("away: 5 failures in a row"),
		allows(true, no), allows(false, no),
	}},
	{"an answer ends the row", []step{
		sends(4, failed, quick), sends(1, answered, quick), sends(4, failed, quick), is(serving),
	}},
	{"a slow answer ends the row too", []step{
		sends(4, failed, quick), sends(1, answered, budget), sends(4, failed, quick), is(serving),
	}},
	{"a canceled request neither lengthens the row nor ends it", []step{
		sends(4, failed, quick), sends(100, circuit.Canceled, quick), is(serving), sends(1, failed, quick), is(away),
	}},
	{"misses, conflicts and what is too large never trip", []step{
		sends(10_000, answered, quick), is(serving),
	}},
	{"half of twenty failing trips", []step{
		times(9, sends(1, failed, quick), sends(1, answered, quick)), sends(1, failed, quick), is(serving),
		sends(1, answered, quick), is(away),
		changed("away after 20ms serving: half of the last second's operations failed or were slow"),
	}},
	{"less than half does not", []step{
		times(30, sends(1, failed, quick), sends(2, answered, quick)), is(serving),
	}},
	{"half of twenty slow trips", []step{
		times(10, sends(1, answered, quick), sends(1, answered, budget/2+1)), is(away),
	}},
	{"half the budget is not slow", []step{
		sends(40, answered, budget/2), is(serving),
	}},
	{"nineteen slow ones are too few", []step{
		sends(19, answered, 26*time.Millisecond), is(serving), sends(1, answered, quick), is(away),
	}},
	{"the window forgets after a second", []step{
		sends(19, answered, 26*time.Millisecond), wait(time.Second), sends(19, answered, 26*time.Millisecond), is(serving),
	}},
	{"slow operations that lie apart do not trip", []step{
		times(100, sends(1, answered, 60*time.Millisecond)), is(serving),
	}},
	{"an idle shard is found by its probes", []step{
		probes(4, failed, quick), is(serving), probes(1, failed, quick), is(away),
	}},
	{"a good probe ends the row", []step{
		sends(4, failed, quick), probes(1, answered, quick), sends(4, failed, quick), is(serving),
	}},
	{"three good probes and the tombstones bring it back", []step{
		trips, probes(1, answered, quick), is(returning), probes(1, answered, quick), delivered, is(returning),
		says("returning: 2 of 3 good probes"),
		probes(1, answered, quick), is(serving), changed("serving after 2s returning"), says("serving"), allows(true, serve),
	}},
	{"it waits for the tombstones", []step{
		trips, probes(10, answered, quick), is(returning), allows(true, no), allows(false, through),
		says("returning: 3 of 3 good probes, tombstones not delivered"),
		delivered, is(serving),
	}},
	{"a logout between delivery and the last probe is waited for", []step{
		trips, probes(2, answered, quick), delivered, owes, probes(1, answered, quick), is(returning), delivered, is(serving),
	}},
	{"a bad probe starts anew, delivery too", []step{
		trips, probes(2, answered, quick), delivered, probes(1, failed, quick), is(away),
		changed("away after 2s returning: 5 failures in a row"),
		probes(3, answered, quick), is(returning), delivered, is(serving),
	}},
	{"a slow probe is a bad one", []step{
		trips, probes(5, answered, budget), is(away), probes(1, answered, quick), is(returning), probes(1, answered, budget), is(away),
	}},
	{"who has no backup is let through at the first good probe", []step{
		trips, allows(false, no), probes(1, answered, quick), allows(false, through), allows(true, no),
	}},
	{"answers to visitors bring nothing back", []step{
		trips, probes(1, answered, quick), delivered, sends(1000, answered, quick), is(returning),
	}},
	{"visitors let through too early trip it again", []step{
		trips, probes(1, answered, quick), sends(4, failed, quick), is(returning), sends(1, failed, quick), is(away),
		probes(2, answered, quick), is(returning), probes(1, answered, quick), delivered, is(serving),
	}},
	{"what was sent before the trip does not count after it", []step{
		holds(100), trips, probes(1, answered, quick), releases(failed), is(returning),
	}},
	{"what was sent while it was away does not count when it is back", []step{
		trips, probes(1, answered, quick), holds(100), heals, releases(failed), is(serving),
	}},
	{"a probe sent before the trip is none of the three", []step{
		func(s *story) {
			t, _ := s.b.Probe(s.now)
			trips(s)
			s.note(s.b.Report(t, s.now, budget, answered))
		}, is(away),
	}},
	{"backup only sends nothing, and has to come back", []step{
		force(circuit.BackupOnly), is(away), changed("away after 0s serving: by order of the operator"),
		allows(true, no), allows(false, no), delivered, probes(10, answered, quick), allows(false, no),
		says("away: by order of the operator; forced: backup only"),
		force(circuit.Auto), allows(true, no), is(away), owes, probes(3, answered, quick), is(returning), delivered, is(serving),
	}},
	{"store only sends everything, and hides no failure", []step{
		force(circuit.StoreOnly), sends(5, failed, quick), is(away), allows(true, serve), allows(false, serve),
		says("away: 5 failures in a row; forced: store only"),
		sends(100, failed, quick), probes(1, answered, quick), is(returning), allows(true, serve),
		force(circuit.Auto), allows(true, no), is(returning), probes(2, answered, quick), delivered, is(serving),
	}},
	{"a restarted shard that serves goes on, its nothing is not believed for 5 s", []step{
		believes(true), forgets, believes(false), is(serving), allows(true, serve),
		wait(2 * time.Second), says("serving; lost its memory, nothing counts as no answer for 3s"),
		wait(3*time.Second - 1), believes(false), wait(1), believes(true), says("serving"),
	}},
	{"the quarantine outlasts the return", []step{
		trips, forgets, heals, believes(false), wait(5 * time.Second), believes(true),
	}},
	{"a second loss prolongs it", []step{
		forgets, wait(4 * time.Second), forgets, wait(4 * time.Second), believes(false), wait(time.Second), believes(true),
	}},
	{"who lost its memory is owed the tombstones again", []step{
		trips, probes(2, answered, quick), delivered, forgets, probes(1, answered, quick), is(returning), delivered, is(serving),
	}},
	{"a clock set back trips nothing and loses nothing", []step{
		sends(4, failed, quick), wait(-time.Hour), is(serving), allows(true, serve),
		sends(1, failed, quick), is(away), wait(-time.Hour), allows(true, no), heals,
	}},
	{"a clock set back does not end the quarantine", []step{
		forgets, wait(-time.Hour), believes(false), wait(time.Hour), believes(false), wait(5 * time.Second), believes(true),
	}},
	{"a clock set back to before the beginning is no quarantine", []step{
		wait(-time.Hour), believes(true), says("serving"),
	}},
	{"a clock set ahead forgets the window, not the row", []step{
		sends(19, answered, 26*time.Millisecond), wait(1000 * time.Hour), sends(4, failed, quick), is(serving), sends(1, failed, quick), is(away), heals,
	}},
}

func TestStories(t *testing.T) {
	for _, row := range stories {
		t.Run(row.name, func(t *testing.T) {
			now := time.Now()
			s := &story{T: t, b: circuit.New(now), now: now}
			for _, do := range row.steps {
				do(s)
			}
		})
	}
}

func TestEveryShardIsProbedEachSecond(t *testing.T) {
	start := time.Now()
	b := circuit.New(start)
	var due []time.Duration
	for at := time.Duration(0); at <= 3*time.Second; at += 10 * time.Millisecond {
		if _, wait := b.Probe(start.Add(at)); wait == 0 {
			due = append(due, at)
		} else if next := due[len(due)-1] + time.Second; at+wait != next {
			t.Fatalf("at %v it is due in %v, want at %v", at, wait, next)
		}
	}
	if len(due) != 4 {
		t.Errorf("due at %v", due)
	}
	if _, wait := b.Probe(start.Add(2500 * time.Millisecond)); wait != time.Second {
		t.Errorf("who comes late waits %v, want a second", wait)
	}
}

func TestWithoutALimitNothingIsSlow(t *testing.T) {
	now := time.Now()
	b := circuit.New(now)
	for range 100 {
		if c, news := b.Report(b.Allow(now, true), now.Add(time.Hour), 0, answered); news {
			t.Fatal(c)
		}
	}
}
