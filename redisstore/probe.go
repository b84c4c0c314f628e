package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// onlyShard names what is no cluster: the server's address. Behind Sentinel, and
// where the client knows replicas too, the primary may become another one and the
// name has to stay: it is "redis".
func onlyShard(client rueidis.Client) string {
	if client.Mode() == rueidis.ClientModeStandalone {
		if nodes := client.Nodes(); len(nodes) == 1 {
			for address := range nodes {
				return address
			}
		}
	}
	return "redis"
}

// Shard implements [session.Prober]. A server is one shard, named after its
// address; behind Sentinel it is "redis", as its address may change. A cluster
// has sixteen, each of 1,024 slots and named after them: "0-1023". So the names are
// the same for every instance, and the shard of a session stays, when another node
// takes over, when slots move, and when the cluster grows or shrinks.
func (s *Store) Shard(id session.ID) string {
	if s.cluster == nil {
		return s.shard
	}
	return shardNames[slotOf(s.key(id))/slotsPerShard]
}

// Probe implements [session.Prober]. It is one INFO, and asks each primary that
// serves slots of the shard now, which may be two where their slots meet within it; in
// a cluster CLUSTER SLOTS follows. A server that is still loading its data, or
// has become a replica, is an error.
//
// The incarnation is the run_id of the process and its master_replid, which is
// another for a replica that became the primary. Redis changes that also where
// nothing is lost: when a first replica comes, and an hour after the last has left
// (repl-backlog-ttl). Neither FLUSHALL nor an eviction changes the incarnation.
//
// Where INFO is refused, or names no run_id, as with proxies, some managed services
// and miniredis, the store logs that once and keeps an incarnation itself, a random
// value in a record of the shard: one that lost its memory has lost that too. A
// replica, and a failover that lost the last writes, are not noticed then. NOPERM
// and an unknown command are a refusal at once; an error without a code of its own
// is one after three in a row, while other commands are answered.
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	switch {
	case !s.has(shard):
		return "", s.failure(ctx, "probe", errShard(shard))
	case s.cuts.Load() >= maxCuts:
		err = errCut
	case s.cluster != nil:
		incarnation, err = s.probeCluster(ctx, shard)
	default:
		incarnation, err = s.probeNode(ctx, s.client)
	}
	if err != nil && ended(ctx) == nil && s.withoutInfo(ctx, shard, err) {
		if s.cuts.Load() >= maxCuts {
			err = errCut
		}
		// Where a right is missing, the error names it.
		s.without("info", "session: redis: the server tells no run_id by INFO, so that a failover is not noticed", "error", explained(err))
		incarnation, err = s.ownIncarnation(ctx, shard)
	}
	return incarnation, s.failure(ctx, "probe", err)
}

// has reports whether there is such a shard.
func (s *Store) has(shard string) bool {
	if s.cluster == nil {
		return shard == s.shard
	}
	return slices.Contains(shardNames[:], shard)
}

// Evictions implements [session.EvictionCounter]. It is one INFO to each primary that serves
// slots of the shard now: what such a primary has evicted counts for each shard that it
// serves. Where INFO is refused, as in some managed services, it is an error.
func (s *Store) Evictions(ctx context.Context, shard string) (evicted uint64, err error) {
	if !s.has(shard) {
		return 0, s.failure(ctx, "evictions", errShard(shard))
	}
	nodes := []rueidis.Client{s.client}
	if s.cluster != nil {
		nodes = nodes[:0]
		all := s.client.Nodes()
		for _, address := range s.cluster.primaries(slices.Index(shardNames[:], shard)) {
			nodes = append(nodes, all[address])
		}
	}
	if len(nodes) == 0 {
		return 0, s.failure(ctx, "evictions", errors.New("no node serves it"))
	}
	for _, node := range nodes {
		n, err := s.evictionsOf(ctx, node)
		if err != nil {
			return 0, s.failure(ctx, "evictions", err)
		}
		evicted += n
	}
	return evicted, nil
}

// evictionsOf asks one server.
func (s *Store) evictionsOf(ctx context.Context, node rueidis.Client) (uint64, error) {
	if node == nil {
		return 0, errors.New("not connected")
	}
	text, err := s.sender.send(ctx, request{client: node, command: node.B().Arbitrary("INFO").Args("stats").Build(), read: true}).ToString()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "evicted_keys:"); ok {
			return strconv.ParseUint(value, 10, 64)
		}
	}
	return 0, errors.New("its answer to INFO has no evicted_keys")
}

// maxCuts is after how many INFOs in a row that ended the connection, while other
// commands were answered, INFO is no longer sent: proxies that do not know INFO end
// the connection so. A restart looks like that once. As many error replies in a row
// without a code of their own are a refusal, until INFO is answered.
const maxCuts = 3

var (
	errNoRunID = errors.New("its answer to INFO has no run_id")
	errCut     = errors.New("INFO ends the connection")
)

// withoutInfo reports whether err is about INFO alone.
func (s *Store) withoutInfo(ctx context.Context, shard string, err error) bool {
	if errors.Is(err, errCut) || errors.Is(err, errNoRunID) {
		return true
	}
	if reply := new(rueidis.RedisError); errors.As(err, &reply) {
		s.cuts.Store(0)
		if isRefusal(reply) || !isGeneral(reply) {
			return isRefusal(reply)
		}
		return s.inARow(ctx, shard, &s.refusals)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	return s.inARow(ctx, shard, &s.cuts)
}

// inARow counts an INFO that failed, and reports whether that is how the server is: it
// answers other commands meanwhile, and INFO has failed maxCuts times in a row.
func (s *Store) inARow(ctx context.Context, shard string, failed *atomic.Int32) bool {
	if _, err := s.ownIncarnation(ctx, shard); err != nil {
		failed.Store(0)
		return false
	}
	return failed.Add(1) >= maxCuts
}

// ownRecord begins the IDs of records that are no sessions. A number follows:
// Manager.Revoke leaves that shape alone.
const ownRecord = "~incarnation-"

const ownLife = 5 * 366 * 24 * time.Hour

// ownIncarnation is what a record of the store's own in the shard holds, which
// it makes where there is none.
func (s *Store) ownIncarnation(ctx context.Context, shard string) (string, error) {
	var id session.ID
	for n := 0; id == "" || s.Shard(id) != shard; n++ {
		if n == slotCount {
			return "", errShard(shard) // a prefix with braces puts all keys into one slot
		}
		id = session.ID(ownRecord + strconv.Itoa(n))
	}
	key := s.key(id)
	for {
		r, err := s.load(ctx, key)
		if !errors.Is(err, session.ErrNotFound) {
			return string(r.Data), err
		}
		data := []byte(rand.Text())
		err = s.save(ctx, key, session.Record{Data: data, Expires: time.Now().Add(ownLife)}, s.version(id, data), session.Absent)
		if !errors.Is(err, session.ErrConflict) { // else another instance was first
			return string(data), err
		}
	}
}

func errShard(name string) error { return fmt.Errorf("there is no shard %q", name) }

func (s *Store) probeCluster(ctx context.Context, name string) (string, error) {
	shard := slices.Index(shardNames[:], name)
	if s.cluster.doubts(shard) {
		// Another node may have taken over, which the others know.
		if slots, err := s.askSlots(ctx); err == nil {
			s.cluster.learn(slots)
		}
	}
	nodes := s.client.Nodes()
	err := errors.New("no node serves it")
	var incarnations []string
	for _, address := range s.cluster.primaries(shard) {
		var incarnation string
		if incarnation, err = s.probePrimary(ctx, nodes[address], address); err != nil {
			err = fmt.Errorf("%s: %w", address, err)
			break
		}
		incarnations = append(incarnations, incarnation)
	}
	s.cluster.doubt(shard, err != nil)
	if err != nil {
		return "", err
	}
	return strings.Join(incarnations, ","), nil
}

// probePrimary asks a node of a cluster, and what it knows of the layout.
func (s *Store) probePrimary(ctx context.Context, node rueidis.Client, address string) (incarnation string, err error) {
	if node == nil {
		return "", errors.New("not connected")
	}
	if incarnation, err = s.probeNode(ctx, node); err != nil {
		return "", err
	}
	slots, err := s.askSlotsOf(ctx, node, address)
	if err != nil {
		return "", err
	}
	s.cluster.learn(slots)
	return incarnation, nil
}

// probeNode asks one server. Plain INFO has what is needed in one round trip;
// several sections in one are for Redis 7.
func (s *Store) probeNode(ctx context.Context, node rueidis.Client) (incarnation string, err error) {
	began := time.Now()
	text, err := s.sender.send(ctx, request{client: node, command: node.B().Arbitrary("INFO").Build(), read: true}).ToString()
	if err != nil {
		return "", err
	}
	var run, replication string
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch {
		case field == "run_id":
			run = value
		case field == "master_replid":
			replication = value
		case field == "role" && value != "master":
			hangUp(node, began) // the address may lead to another server by now
			return "", errors.New("the server is a replica")
		case field == "loading" && value != "0":
			return "", errors.New("the server is loading its data")
		}
	}
	if run == "" {
		return "", errNoRunID
	}
	s.cuts.Store(0)
	s.refusals.Store(0)
	return run + "/" + replication, nil
}
