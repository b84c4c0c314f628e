package circuit

import "time"

// disbelief is how long a shard that lost its memory is not believed when it
// says that there is nothing: every instance probes it within a second, and has
// the rest to publish the tombstones that it knows.
const disbelief = 5 * time.Second

// Probe tells how long it is until the next probe, a second at most. Where that
// is zero the probe is the caller's: it sends one now and reports it with the
// ticket, and to nobody else one is due for the next second. A probe that the
// caller gave up, as it closes, is reported as Canceled or not at all.
//
// Probes are due whatever the state and the mode are. To a shard that serves
// they are operations like any other: one that nobody uses is found to be away
// too, and failures that lie hours apart are not in a row. A slow probe is not
// a good one.
func (b *Breaker) Probe(now time.Time) (Ticket, time.Duration) {
	at := now.Sub(b.origin)
	b.mu.Lock()
	defer b.mu.Unlock()
	// A caller with a clock reading of a moment ago waits like all others; a
	// reading that is further back means that the clock was set.
	if wait := b.probe - at; wait > 0 && wait < 2*probeEvery {
		return Ticket{}, min(wait, probeEvery)
	}
	b.probe = at + probeEvery
	return Ticket{probing, b.changes, at}, 0
}

// probed counts a probe of a shard that does not serve. It asks for mu.
func (b *Breaker) probed(good bool) (Change, bool) {
	switch {
	case !good:
		return b.trip(b.cause)
	case b.mode == BackupOnly:
		return Change{}, false
	}
	b.good++
	if b.good == 1 {
		return b.become(Returning)
	}
	return b.serve()
}

// serve lets the shard serve if nothing is missing. It asks for mu.
func (b *Breaker) serve() (Change, bool) {
	if b.good < goodProbes || b.owed {
		return Change{}, false
	}
	return b.become(Serving)
}

// Owe says that a tombstone for the shard waits in the journal: while the shard
// is not Serving, it will not be until Delivered. Call it where the journal
// takes the tombstone, under the lock under which Delivered is called.
func (b *Breaker) Owe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = true
}

// Delivered says that the journal holds no tombstone for the shard, and that
// the ring was published if the shard had lost its memory. Say it after each
// good probe of a shard that does not serve, even if there was nothing to
// deliver: a probe that is not good, Owe and Forgot take it back.
func (b *Breaker) Delivered(now time.Time) (Change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = false
	b.latest = max(b.latest, now.Sub(b.origin))
	return b.serve()
}

// Forgot says that the shard lost its memory: its canary or its incarnation is
// not what it was. For five seconds from the last time that this is said, the
// shard is in quarantine. One that serves goes on serving; another is owed what
// it lost until Delivered. Say it before the probe that found out is reported,
// as the shard may serve upon that.
func (b *Breaker) Forgot(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = max(b.latest, now.Sub(b.origin))
	b.until = b.latest + disbelief
	b.owed = true
}

// Quarantined reports whether "nothing" from this shard has to count as no
// answer. It is to be asked when the answer is there, not before. A record and
// a tombstone count as always.
func (b *Breaker) Quarantined(now time.Time) bool {
	at := now.Sub(b.origin)
	b.mu.Lock()
	defer b.mu.Unlock()
	return at < b.until
}
