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
// has one for each primary that it had when the store was made, named after its
// slots: "0-5460". The names stay, and so does the shard of each session, when
// another node takes over or slots move.
func (s *Store) Shard(id session.ID) string {
	if s.cluster == nil {
		return s.shard
	}
	return s.cluster.names[s.cluster.shardOf[slotOf(s.key(id))]]
}

// Probe implements [session.Prober]. It is one INFO, and asks each primary that
// serves the shard now, which is one as long as no slots have moved; in a
// cluster CLUSTER SLOTS follows. A server that is still loading its data, or
// has become a replica, is an error.
//
// The incarnation is the run_id of the process and its master_replid, which is
// another for a replica that became the primary. Redis changes that also where
// nothing is lost: when a first replica comes, and an hour after the last has
// left (repl-backlog-ttl). What FLUSHALL or an eviction took leaves no trace.
//
// Where INFO is refused, or names no run_id, as with proxies, some managed
// services and miniredis, the store logs that once and keeps an incarnation
// itself, a random value in a record of the shard: one that lost its memory has
// lost that too. A replica, and a failover that lost the last writes, are not
// told then.
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	switch {
	case s.cluster != nil && !slices.Contains(s.cluster.names, shard), s.cluster == nil && shard != s.shard:
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

// maxCuts is after how many INFOs that ended the connection, in a row and while
// other commands were answered, INFO is not asked for any more: so do proxies
// that do not know it. A restart looks like that once.
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
		return isRefusal(reply)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	if _, err := s.ownIncarnation(ctx, shard); err != nil {
		s.cuts.Store(0)
		return false
	}
	return s.cuts.Add(1) >= maxCuts
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
			return "", errShard(shard) // a layout of so few slots that none of the names is there
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
		err = s.save(ctx, key, session.Record{Data: data, Expires: time.Now().Add(ownLife)}, s.version(data), session.Absent)
		if !errors.Is(err, session.ErrConflict) { // else another instance was first
			return string(data), err
		}
	}
}

func errShard(name string) error { return fmt.Errorf("there is no shard %q", name) }

func (s *Store) probeCluster(ctx context.Context, name string) (string, error) {
	shard := slices.Index(s.cluster.names, name)
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
	text, err := s.line.send(ctx, request{client: node, command: node.B().Arbitrary("INFO").Build(), read: true}).ToString()
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
			return "", errors.New("the server is a replica")
		case field == "loading" && value != "0":
			return "", errors.New("the server is loading its data")
		}
	}
	if run == "" {
		return "", errNoRunID
	}
	s.cuts.Store(0)
	return run + "/" + replication, nil
}
