package streak

import (
	"sync"
	"time"
)

// patience is how long something has to keep failing before a Counter says so.
const patience = 10 * time.Second

// Counter counts failures by name, so that a log reports those that last and not
// each one. The zero Counter is ready for use, by any number of goroutines.
type Counter struct {
	mu  sync.Mutex
	all map[string]*count
}

// count is failures of which none lies further than a Reminder from the next.
type count struct {
	since, latest, told time.Time
	untold              int
}

// Add notes a failure. It returns how many have not been reported, if a report is
// due: they are few or more, have lasted for patience, and the last report was a
// Reminder ago.
func (c *Counter) Add(name string, now time.Time) (n int, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.all[name]
	if k == nil || now.Sub(k.latest) > Reminder {
		if c.all == nil {
			c.all = make(map[string]*count)
		}
		k = &count{since: now}
		c.all[name] = k
	}
	k.latest = now
	k.untold++
	lasting := k.untold >= few && now.Sub(k.since) >= patience
	if !lasting || now.Sub(k.told) < Reminder {
		return 0, false
	}
	n = k.untold
	k.told = now
	k.untold = 0
	return n, true
}
