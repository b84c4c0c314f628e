package circuit_test

import (
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// A shard dies under its visitors and comes back.
func Example() {
	const budget = 50 * time.Millisecond
	now := time.Now()
	shard := circuit.New(now)
	log := func(change circuit.Change, news bool) {
		if news {
			fmt.Println(change)
		}
	}

	for { // visitors
		ticket := shard.Allow(now, true)
		if ticket.Answer == circuit.No {
			break // served from their backups
		}
		now = now.Add(budget) // the shard is asked, in vain
		log(shard.Report(ticket, now, budget, circuit.Failed))
	}

	for shard.State(now).State != circuit.Serving { // in the background
		ticket, wait := shard.Probe(now)
		if wait > 0 {
			now = now.Add(wait)
			continue
		}
		now = now.Add(2 * time.Millisecond) // the canary is read
		log(shard.Report(ticket, now, budget, circuit.Answered))
		log(shard.Delivered(now)) // the journal holds no tombstone for it
	}
	// Output:
	// away after 250ms serving: 5 failures in a row
	// returning after 2ms away
	// serving after 2s returning
}
