// Package hosts gives a client of ZooKeeper the members of its ensemble in turn.
package hosts

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
)

// Ring has the members in a random order, by their names. Whoever connects resolves a name:
// the client's own ring looks up all of them at once, and one without an address, as of a pod
// that is down, keeps it from the others. Any number of goroutines may use a Ring.
type Ring struct {
	mu      sync.Mutex
	servers []string
	last    int // that Next returned
	tried   int // since the last that was connected to, which counts
}

// Init takes the members, as "host:port" each.
func (r *Ring) Init(servers []string) error {
	if len(servers) == 0 {
		return errors.New("no servers")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers = slices.Clone(servers)
	rand.Shuffle(len(r.servers), func(i, j int) { r.servers[i], r.servers[j] = r.servers[j], r.servers[i] })
	r.last, r.tried = -1, 0
	return nil
}

// Len returns how many members there are.
func (r *Ring) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.servers)
}

// Next returns the next member. pause reports whether all of them were returned since the
// last that was connected to, so that the caller waits a moment first.
func (r *Ring) Next() (server string, pause bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tried == len(r.servers) {
		r.tried = 0
		pause = true
	}
	r.tried++
	r.last = (r.last + 1) % len(r.servers)
	return r.servers[r.last], pause
}

// Connected notes that the member which Next returned last has taken the client.
func (r *Ring) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = 1
}
