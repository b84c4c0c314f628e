package streak

import "sync"

// Down is the set of the shards that are down, by name, and by how many reporters
// each. The zero Down is empty and ready for use, by any number of goroutines.
type Down struct {
	mu  sync.Mutex
	all map[string]int
}

// Add notes that one more reporter takes the shard for down.
func (d *Down) Add(shard string) { d.add(shard, +1) }

// Remove notes that one reporter takes the shard for back.
func (d *Down) Remove(shard string) { d.add(shard, -1) }

func (d *Down) add(shard string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = make(map[string]int)
	}
	if d.all[shard] += n; d.all[shard] <= 0 {
		delete(d.all, shard)
	}
}

// Has reports whether any reporter takes the shard for down.
func (d *Down) Has(shard string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[shard] > 0
}

// Any reports whether any shard is down.
func (d *Down) Any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all) > 0
}
