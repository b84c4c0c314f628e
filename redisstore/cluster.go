package redisstore

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const slotCount = 1 << 14

// A cluster has this many shards, each a range of as many slots, whatever primaries serve
// them: two instances agree on the shards although slots moved between their starts.
const (
	shardCount    = 16
	slotsPerShard = slotCount / shardCount
)

// shardNames are the ranges of slots, as "0-1023".
var shardNames = func() (names [shardCount]string) {
	for i := range names {
		first := i * slotsPerShard
		names[i] = strconv.Itoa(first) + "-" + strconv.Itoa(first+slotsPerShard-1)
	}
	return names
}()

// slotRange is a run of slots and the primary that has them.
type slotRange struct {
	first, last int
	primary     string // address
}

// cluster says which primaries serve the shards now.
type cluster struct {
	mu       sync.Mutex
	slots    []slotRange      // as last heard
	doubtful [shardCount]bool // shards whose last probe failed
}

// newCluster returns a cluster with this layout. Where there is none, every shard is in
// doubt, so that its first probe asks for it.
func newCluster(slots []slotRange) *cluster {
	c := &cluster{slots: slots}
	for i := range c.doubtful {
		c.doubtful[i] = slots == nil
	}
	return c
}

// primaries returns the addresses of those that serve slots of the shard.
func (c *cluster) primaries(shard int) (addresses []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := shard * slotsPerShard
	for _, r := range c.slots {
		serves := r.first < first+slotsPerShard && r.last >= first
		if serves && !slices.Contains(addresses, r.primary) {
			addresses = append(addresses, r.primary)
		}
	}
	slices.Sort(addresses)
	return addresses
}

func (c *cluster) learn(slots []slotRange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = slots
}

func (c *cluster) doubts(shard int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubtful[shard]
}

func (c *cluster) doubt(shard int, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubtful[shard] = is
}

// layoutPatience is how long New may take to ask a cluster for its layout.
const layoutPatience = time.Second

func (s *Store) firstLayout() *cluster {
	ctx, cancel := context.WithTimeout(context.Background(), layoutPatience)
	defer cancel()
	slots, _ := s.askSlots(ctx) // without them each shard's first probe asks
	return newCluster(slots)
}

// askSlots asks all nodes for the layout and takes the first answer: any of
// them may be frozen.
func (s *Store) askSlots(ctx context.Context) ([]slotRange, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	nodes := s.client.Nodes()
	type answer struct {
		slots []slotRange
		err   error
	}
	answers := make(chan answer, len(nodes))
	for address, node := range nodes {
		go func() {
			slots, err := s.askSlotsOf(ctx, node, address)
			answers <- answer{slots, err}
		}()
	}
	err := errors.New("no nodes are known")
	for range nodes {
		a := <-answers // askSlotsOf honors ctx, so that an answer comes
		if a.err == nil {
			return a.slots, nil
		}
		err = a.err
	}
	return nil, err
}

// askSlotsOf asks one node, at this address, for the layout.
func (s *Store) askSlotsOf(ctx context.Context, node rueidis.Client, address string) ([]slotRange, error) {
	reply, err := s.sender.send(ctx, request{client: node, command: node.B().Arbitrary("CLUSTER", "SLOTS").Build(), read: true}).ToArray()
	if err != nil {
		return nil, err
	}
	asked, _, _ := net.SplitHostPort(address)
	slots := make([]slotRange, len(reply))
	for i, entry := range reply {
		if slots[i], err = parseSlotRange(entry, asked); err != nil {
			return nil, err
		}
	}
	return slots, nil
}

var errSlots = errors.New("an answer to CLUSTER SLOTS that makes no sense")

// parseSlotRange reads [first, last, [host, port, …], replicas…]. A node that
// does not know its own name says nothing for a host, and means the one that
// was asked.
func parseSlotRange(entry rueidis.RedisMessage, asked string) (slotRange, error) {
	fields, err := entry.ToArray()
	if err != nil || len(fields) < 3 {
		return slotRange{}, errSlots
	}
	first, err1 := fields[0].AsInt64()
	last, err2 := fields[1].AsInt64()
	node, err3 := fields[2].ToArray()
	isRange := 0 <= first && first <= last && last < slotCount
	if errors.Join(err1, err2, err3) != nil || len(node) < 2 || !isRange {
		return slotRange{}, errSlots
	}
	host, _ := node[0].ToString() // may be null
	if host == "" || host == "?" {
		host = asked
	}
	port, err := node[1].AsInt64()
	if err != nil {
		return slotRange{}, errSlots
	}
	return slotRange{int(first), int(last), net.JoinHostPort(host, strconv.FormatInt(port, 10))}, nil
}

// slotOf is the slot of a key, as the cluster specification has it: CRC-16 of
// the key, or of what stands between its first braces.
func slotOf(key string) int {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if end := strings.IndexByte(key[open+1:], '}'); end > 0 {
			key = key[open+1 : open+1+end]
		}
	}
	var crc uint16
	for i := range len(key) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^key[i]]
	}
	return int(crc) % slotCount
}

// crcTable is that of CRC-16/XMODEM, whose polynomial is 0x1021.
var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		table[i] = crc
	}
	return table
}()
