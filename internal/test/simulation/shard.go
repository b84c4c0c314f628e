package simulation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/recordid"
)

// cluster is the server side of the store: shards that each keep a part of the
// sessions in memory.
type cluster struct {
	off Switches
	log func(Event) // called with mu held

	mu     sync.Mutex // guards all below
	shards []shard
	saves  int                // that were done, over all shards
	names  map[session.ID]int // sessions in the order of their appearance
	seed   uint64

	watchers []func(session.ID) // are told what has changed
}

type shard struct {
	incarnation int
	records     records
	snapshot    records // of the last Snapshot
}

type records map[session.ID]record

// members returns the number of the save that made the members record, 0 where there is none.
func (r records) members() int {
	for id, one := range r {
		if strings.HasPrefix(string(id), recordid.Members) {
			return one.save
		}
	}
	return 0
}

type record struct {
	data    []byte
	expires time.Time
	save    int // the number of the save that made it; what its Version says
}

// dead reports whether it is a tombstone, if it is a session's.
func (r record) dead() bool { return !bytes.Contains(r.data, []byte(alive)) }

func newCluster(shards int, seed uint64, off Switches, log func(Event)) *cluster {
	c := &cluster{off: off, log: log, shards: make([]shard, shards), names: map[session.ID]int{}, seed: seed}
	for i := range c.shards {
		c.shards[i].records = records{}
	}
	return c
}

// isSession tells sessions from what else a Manager keeps in the store.
func isSession(id session.ID) bool {
	if len(id) != 32 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// of returns the shard that has id. Sessions are spread by the order in which
// they appear, which a seed decides; their IDs are random.
func (c *cluster) of(id session.ID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.placeLocked(id)
}

func (c *cluster) placeLocked(id session.ID) int {
	if !isSession(id) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		return int(h.Sum32() % uint32(len(c.shards)))
	}
	return int(mix(c.seed, uint64(c.numberLocked(id))) % uint64(len(c.shards)))
}

func (c *cluster) numberLocked(id session.ID) int {
	n, ok := c.names[id]
	if !ok {
		n = len(c.names) + 1
		c.names[id] = n
	}
	return n
}

// name is what traces call a session.
func (c *cluster) name(id session.ID) string {
	if id == "" {
		return "nobody"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("S%d", c.numberLocked(id))
}

func (c *cluster) version(save int) (v session.Version) {
	binary.BigEndian.PutUint64(v[:8], mix(c.seed, 0x5afe)|1)
	binary.BigEndian.PutUint64(v[8:], uint64(save))
	return v
}

func (c *cluster) load(id session.ID, now time.Time) (session.Record, int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.shards[c.placeLocked(id)].records[id]
	if !ok || !now.Before(r.expires) {
		return session.Record{}, 0, session.ErrNotFound
	}
	return session.Record{Data: bytes.Clone(r.data), Expires: r.expires, Version: c.version(r.save)}, r.save, nil
}

// save does what a Save says, if the shard is still the one that it was sent
// to: a write never crosses a restart, as its connection does not either.
func (c *cluster) save(id session.ID, r session.Record, over session.Version, incarnation int, e Event) (session.Version, int, error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	sh := &c.shards[c.placeLocked(id)]
	if sh.incarnation != incarnation {
		return session.Absent, 0, errReset
	}
	old, ok := sh.records[id]
	ok = ok && now.Before(old.expires)
	switch {
	case over == session.Any:
	case c.off.CAS && over != session.Absent:
	case over == session.Absent && !ok:
	case ok && over == c.version(old.save):
		e.Prev = old.save
	default:
		return session.Absent, 0, session.ErrConflict
	}
	c.saves++
	c.changedLocked(id)
	e.Save, e.Marks = c.saves, findMarks(r.Data)
	e.Dead = isSession(id) && !bytes.Contains(r.Data, []byte(alive))
	if !now.Before(r.Expires) || e.Dead && c.off.Tombstones {
		delete(sh.records, id)
		e.Gone = true
	} else {
		sh.records[id] = record{bytes.Clone(r.Data), r.Expires, c.saves}
	}
	if isSession(id) {
		e.Kind, e.Until = Stored, e.At+r.Expires.Sub(now)
		c.log(e)
	}
	return c.version(c.saves), c.saves, nil
}

// forget makes a shard lose its memory: by a restart, or by a flush, which it
// survives as the one that it was.
func (c *cluster) forget(shard int, restart bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sh := &c.shards[shard]
	kept := records{}
	if c.off.Incarnation {
		for id, r := range sh.records {
			if !isSession(id) {
				kept[id] = r
			}
		}
	}
	sh.records = kept
	if restart {
		sh.incarnation++
	}
	c.changedLocked("")
	c.log(Event{Kind: Forgot, Shard: shard})
}

func (c *cluster) incarnation(shard int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shards[shard].incarnation
}

// mix is a hash of a few numbers (splitmix64): the seed's choice wherever one
// is needed while the world runs.
func mix(numbers ...uint64) uint64 {
	var h uint64
	for _, n := range numbers {
		h += n + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
