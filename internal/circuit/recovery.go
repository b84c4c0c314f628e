package circuit

import "time"

// quarantineTime is the length of a quarantine. Every instance probes the shard within a
// second, and has the other four to publish the tombstones that it knows.
const quarantineTime = 5 * time.Second

// Probe returns how long it is until the next probe, a second at most. If that is
// zero, the caller sends the probe now and reports its outcome with the ticket; no
// other caller gets one within the next second. A caller that gives up its probe,
// because it closes, reports it as Canceled or not at all.
//
// Probes are due in every state and mode. To a shard that serves they are operations
// like any other, so that an outage is noticed without visitors, and failures hours
// apart are not in a row. A slow probe is not a good one.
func (b *Breaker) Probe(now time.Time) (Ticket, time.Duration) {
	at := now.Sub(b.origin)
	b.mu.Lock()
	defer b.mu.Unlock()
	// A caller with a clock reading of a moment ago waits like all others. A
	// reading that is further back shows that the clock was set back.
	if wait := b.probe - at; wait > 0 && wait < 2*probeEvery {
		return Ticket{}, min(wait, probeEvery)
	}
	b.probe = at + probeEvery
	return Ticket{Answer: probing, changes: b.changes, began: at}, 0
}

// probedLocked counts a probe of a shard that does not serve.
func (b *Breaker) probedLocked(good bool) (Change, bool) {
	switch {
	case !good:
		return b.tripLocked(b.cause)
	case b.mode == BackupOnly:
		return Change{}, false
	}
	b.good++
	if b.good == 1 {
		return b.becomeLocked(Returning)
	}
	return b.serveLocked()
}

// serveLocked lets the shard serve if nothing is missing.
func (b *Breaker) serveLocked() (Change, bool) {
	if b.good < goodProbes || b.owed {
		return Change{}, false
	}
	return b.becomeLocked(Serving)
}

// Owe notes that a tombstone for the shard waits in the journal: a shard that is not
// Serving stays so until Delivered. The journal calls Owe when it takes the
// tombstone, under the lock under which it calls Delivered.
func (b *Breaker) Owe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = true
}

// Delivered notes that the journal holds no tombstone that the shard lacks. The
// caller calls it after each good probe of a shard that does not serve, even with
// nothing to deliver: a probe that is not good, Owe and Forgot undo it.
func (b *Breaker) Delivered(now time.Time) (Change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = false
	b.latest = max(b.latest, now.Sub(b.origin))
	return b.serveLocked()
}

// Forgot notes that the shard lost its data: its members record or its incarnation is not
// what it was. The shard is in quarantine for five seconds from the last such call. A
// shard that serves goes on serving; a shard that does not lacks tombstones until
// Delivered. The caller calls Forgot before it reports the probe that noticed the loss,
// because that report may let the shard serve.
func (b *Breaker) Forgot(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = max(b.latest, now.Sub(b.origin))
	b.until = b.latest + quarantineTime
	b.owed = true
}

// Quarantined reports whether "nothing" from this shard counts as no answer. The
// caller asks when it has the answer, not before. A record and a tombstone count as
// always.
func (b *Breaker) Quarantined(now time.Time) bool {
	at := now.Sub(b.origin)
	b.mu.Lock()
	defer b.mu.Unlock()
	return at < b.until
}
