package memcached

import (
	"cmp"
	"crypto"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// RingOptions assign the keys to the servers. The zero value is ketama, as the Node
// client memcached 2.2.2 with hashring 3.2.0 has it by default, so that both find
// the same server for each key.
type RingOptions struct {
	// Hash is the Node client's option "algorithm"; 0 means crypto.MD5. The
	// program has to import its package.
	Hash crypto.Hash

	// HashRing is the Node client's compatibility "hash_ring", after the
	// Python module: three points for each hash instead of four, and the port
	// always in the label.
	HashRing bool
}

// Ring says which server has a key. It is fixed, and safe for concurrent use.
type Ring struct {
	servers []Server
	points  []point // by value
	hash    crypto.Hash
}

// point is the end of an arc of the ring: server has the keys whose hash is
// value, or less, down to the previous point.
type point struct {
	value  uint32
	server int
}

// vnodes is the number of hashes of a server of average weight.
const vnodes = 40

// NewRing lays out servers. o may be nil. A server whose weight is too small
// beside the others' for a single point has no keys.
func NewRing(servers []Server, o *RingOptions) (*Ring, error) {
	if o == nil {
		o = new(RingOptions)
	}
	if err := checkServers(servers); err != nil {
		return nil, err
	}
	r := &Ring{servers: slices.Clone(servers), hash: cmp.Or(o.Hash, crypto.MD5)}
	if !r.hash.Available() {
		return nil, fmt.Errorf("memcached: ring: hash %v is not linked in; import its package", r.hash)
	}
	if r.hash.Size() < md5.Size {
		return nil, fmt.Errorf("memcached: ring: hash %v is too short", r.hash)
	}
	perHash := 4
	if o.HashRing {
		perHash = 3
	}
	total := 0
	for _, s := range servers {
		total += s.weight()
	}
	for i, s := range servers {
		// In the order and the arithmetic of hashring 3.2.0.
		n := int(math.Floor(float64(s.weight()) / float64(total) * vnodes * float64(len(servers))))
		if s.VNodes != 0 && s.VNodes != vnodes {
			n = s.VNodes
		}
		label := s.label(o.HashRing)
		for v := range n {
			sum := r.sum(fmt.Sprintf("%s-%d", label, v))
			for j := range perHash {
				r.points = append(r.points, point{value(sum, j), i})
			}
		}
	}
	if len(r.points) == 0 {
		return nil, errors.New("memcached: ring: no server has a point")
	}
	slices.SortStableFunc(r.points, func(a, b point) int { return cmp.Compare(a.value, b.value) })
	return r, nil
}

// Server returns the Addr of the server that has key.
func (r *Ring) Server(key string) string { return r.servers[r.index(key)].Addr }

// Moved returns the share of all keys, from 0 to 1, that have another server
// on to than on r.
func (r *Ring) Moved(to *Ring) float64 {
	ends := make([]uint32, 0, len(r.points)+len(to.points)+1)
	for _, p := range slices.Concat(r.points, to.points) {
		ends = append(ends, p.value)
	}
	ends = append(ends, math.MaxUint32)
	slices.Sort(ends)
	var moved, from uint64 // from: where the arc that ends next begins
	for _, end := range ends {
		if r.servers[r.at(end)].Addr != to.servers[to.at(end)].Addr {
			moved += uint64(end) + 1 - from
		}
		from = uint64(end) + 1
	}
	return float64(moved) / (1 << 32)
}

func (r *Ring) index(key string) int {
	if len(r.servers) == 1 {
		return 0
	}
	return r.at(value(r.sum(key), 0))
}

// at returns the server of the first point that is not below h.
func (r *Ring) at(h uint32) int {
	i := sort.Search(len(r.points), func(i int) bool { return r.points[i].value >= h })
	if i == len(r.points) {
		i = 0
	}
	return r.points[i].server
}

// sum returns the first 16 bytes of the hash of s, without allocating where it
// is MD5.
func (r *Ring) sum(s string) (sum [md5.Size]byte) {
	if r.hash == crypto.MD5 {
		var buf [256]byte // for keys up to 250 bytes
		return md5.Sum(append(buf[:0], s...))
	}
	h := r.hash.New()
	h.Write([]byte(s))
	copy(sum[:], h.Sum(nil))
	return sum
}

// value is a point or the place of a key: four bytes, the last one first.
func value(b [md5.Size]byte, i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
