// Package circuit is the circuit breaker of one shard of a store. It decides
// whether visitors' requests are sent to the shard, and when the shard is back. It
// is a pure state machine that starts no goroutine, reads no clock and sends
// nothing. The caller reports what happened and when, and acts on the result.
//
// A shard that serves is Away after five failures in a row, or when half of at
// least twenty operations of the last second failed or took over half their
// budget. Only a probe finds out whether the shard is back, and never a visitor's
// request. It is a synthetic operation each second, which healthy shards get too.
// The first good probe makes the shard Returning, and the breaker admits requests
// of sessions that have no copy.
// After three good probes in a row, and with its waiting tombstones delivered, the
// shard is Serving again.
//
// A shard that lost its data is in quarantine, in whatever state it is. Requests
// are sent to it, but its "not found" counts as no answer until every instance had
// the time to publish the tombstones that it knows.
//
// Where to look: what trips a breaker is in breaker.go and window.go, how a shard comes back,
// and how long its quarantine lasts, in recovery.go. state.go names the causes; the numbers are
// in breaker.go, but for those of the window and the quarantine. When an outage is news where
// there is no backup, and so no breaker, package streak says.
package circuit

import (
	"math"
	"sync"
	"time"
)

const (
	tripAfter  = 5           // failures in a row
	probeEvery = time.Second // from the beginning of one to that of the next
	goodProbes = 3           // in a row, until a shard serves again

	never = time.Duration(math.MinInt64 / 2) // before any time, wherever the clock is set
)

// Breaker is the state of one shard. Any number of goroutines may use it.
//
// All its times are readings of one clock, as time.Now returns them. A reading
// earlier than the latest one counts as the latest: a clock that was set back makes
// waits longer, never shorter, and does not stop the probes.
type Breaker struct {
	origin time.Time // times are kept as the distance from it

	mu      sync.Mutex // a ring of atomics saved 7 ns of 21 and counted less exactly
	state   State
	mode    Mode
	changes uint32        // of state and mode
	latest  time.Duration // the latest time seen
	window  window        // since the last change of state
	row     int           // failures in a row since then

	since time.Duration // when the state became what it is
	cause Cause         // of being away, now or last time
	probe time.Duration // when the next one is due
	good  int           // probes in a row, while not Serving
	owed  bool          // tombstones, while not Serving
	until time.Duration // end of the quarantine
}

// New returns a breaker that is Serving, and whose first probe is due.
func New(now time.Time) *Breaker {
	return &Breaker{origin: now, probe: never, until: never}
}

// Allow reports whether a request may be sent to the shard. The caller passes the
// ticket to Report with the outcome. backup reports whether the visitor brought a
// copy that vouches, and so can do without the shard.
func (b *Breaker) Allow(now time.Time, backup bool) Ticket {
	t := Ticket{began: now.Sub(b.origin)}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.changes = b.changes
	switch {
	case b.mode == StoreOnly, b.mode == Auto && b.state == Serving:
		t.Answer = Serve
	case b.mode == Auto && b.state == Returning && !backup:
		t.Answer = PassThrough
	}
	return t
}

// Report takes the outcome of a request or a probe that ended at now, and the budget
// that it had; zero stands for no limit, and such an operation is never slow. An
// operation that began before the state or the mode last changed says nothing about
// the present one and does not count, nor does a ticket that says No.
//
// Where the report changes the state it returns the change, and true. Each change is
// returned once, to one caller.
func (b *Breaker) Report(t Ticket, now time.Time, budget time.Duration, o Outcome) (Change, bool) {
	if t.Answer == No || o == Canceled {
		return Change{}, false
	}
	at := now.Sub(b.origin)
	slow := budget > 0 && at-t.began > budget/2

	b.mu.Lock()
	defer b.mu.Unlock()
	if t.changes != b.changes {
		return Change{}, false
	}
	b.latest = max(b.latest, at)
	switch {
	case b.state != Serving && t.Answer == probing:
		return b.probedLocked(o == Answered && !slow)
	case b.state == Away: // the request was sent by order of the operator
		return Change{}, false
	}
	if o == Failed {
		b.row++
	} else {
		b.row = 0
	}
	b.window.add(b.latest, o == Failed || slow)
	switch {
	case b.row >= tripAfter:
		return b.tripLocked(FailuresInARow)
	case b.window.bad():
		return b.tripLocked(HalfFailed)
	}
	return Change{}, false
}

// Force sets the operator's override. BackupOnly trips the breaker and holds it.
// Once that mode ends, the shard has to come back like any other, because tombstones
// may have gathered. StoreOnly admits all requests at once, whatever the shard is
// owed, and changes no state.
func (b *Breaker) Force(now time.Time, m Mode) (Change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m == b.mode {
		return Change{}, false
	}
	b.latest = max(b.latest, now.Sub(b.origin))
	b.mode = m
	b.changes++
	if m != BackupOnly {
		return Change{}, false
	}
	return b.tripLocked(Forced)
}

// Trip counts the shard as away for a reason that its operations do not show: the
// shard answers loads and refuses saves, for instance.
func (b *Breaker) Trip(now time.Time, why Cause) (Change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = max(b.latest, now.Sub(b.origin))
	return b.tripLocked(why)
}

// tripLocked makes the shard Away.
func (b *Breaker) tripLocked(why Cause) (Change, bool) {
	b.cause = why
	b.good = 0
	b.owed = true
	return b.becomeLocked(Away)
}

// becomeLocked changes the state.
func (b *Breaker) becomeLocked(s State) (Change, bool) {
	if s == b.state {
		return Change{}, false
	}
	c := Change{From: b.state, To: s, Cause: b.cause, After: b.latest - b.since}
	b.state, b.since = s, b.latest
	b.changes++
	b.row, b.window = 0, window{}
	return c, true
}
