// Package memcachedstore keeps sessions in memcached. It uses the client of package
// memcached.
//
// memcached loses sessions when it restarts, when a server leaves the list, and
// when its memory is full: then it evicts the items that were used least. Give it
// memory for all sessions at once, and -I where a session may exceed a megabyte.
//
// A load whose connection broke is sent again, and no save is: that is decided here and not
// by the client, which repeats only what it has not sent.
package memcachedstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
)

// Store is a [session.Store], a [session.Pinner] and a [session.EvictionCounter] on one or
// more servers of memcached. Any number of goroutines may use it. It needs no Close; the
// client, which stays the caller's, does.
type Store struct {
	client *memcached.Client
	prefix string
	flags  uint32
}

// Option is an option of [New].
type Option func(*Store)

// New returns a store that works through client. How sessions are laid out
// over several servers is the client's Options.Ring. New panics where client is nil.
func New(client *memcached.Client, options ...Option) *Store {
	if client == nil {
		panic("session: memcachedstore: the client is nil")
	}
	s := &Store{client: client, prefix: "session:"}
	for _, o := range options {
		o(s)
	}
	return s
}

// Prefix puts p in front of every ID to make its key; the default is
// "session:". Programs that share servers need prefixes of which none begins
// with another.
func Prefix(p string) Option { return func(s *Store) { s.prefix = p } }

// Flags sets the client flags of all items that the store writes; the default
// is 0. Load does not look at them.
func Flags(f uint32) Option { return func(s *Store) { s.flags = f } }

// ItemFlags returns the client flags of the items that the store writes: those
// of Flags. Formats that share the items with other programs need them, see
// package node/express.
func (s *Store) ItemFlags() uint32 { return s.flags }

// Load implements [session.Store]. Expires is zero: memcached does not tell.
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	key := s.key(id)
	for tries := 1; ; tries++ {
		item, err := s.client.Get(ctx, key)
		if err == nil {
			return session.Record{Data: item.Value, Version: version(item.Token)}, nil
		}
		if tries == attempts || !isBroken(err) {
			return session.Record{}, failure("load", err)
		}
	}
}

// attempts is how often a load is sent whose connection breaks (decision 67): the client
// has several connections, and what closed one of them may have closed them all.
const attempts = 3

// isBroken reports whether a connection broke over which a command was sent.
func isBroken(err error) bool {
	e := new(memcached.NodeError)
	return errors.As(err, &e) && e.Broken
}

// Save implements [session.Store]. One command, one round trip.
//
// A record that is larger than the server's item_size_max (option -I, 1 MB by
// default) is ErrTooLarge before it is sent: memcached would have deleted the
// item that stood there.
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: memcached save: Record.Expires is zero: a session without an end would stay for good")
	}
	key, item := s.key(id), memcached.Item{Value: r.Data, Flags: s.flags, Expires: r.Expires}
	var token memcached.Token
	var err error
	switch past := !time.Now().Before(r.Expires); {
	case over == session.Absent:
		token, err = s.client.Add(ctx, key, item)
	case over == session.Any && past:
		if err = s.client.Delete(ctx, key); errors.Is(err, memcached.ErrMiss) {
			err = nil
		}
	case over == session.Any:
		token, err = s.client.Set(ctx, key, item)
	case past:
		err = s.client.CompareAndDelete(ctx, key, tokenOf(over))
	default:
		token, err = s.client.CompareAndSet(ctx, key, item, tokenOf(over))
	}
	switch {
	case err == nil:
		return version(token), nil
	case errors.Is(err, memcached.ErrNotStored), errors.Is(err, memcached.ErrConflict), errors.Is(err, memcached.ErrMiss):
		return session.Absent, session.ErrConflict
	}
	return session.Absent, failure("save", err)
}

// Shard implements [session.Prober]: the server that has the session.
func (s *Store) Shard(id session.ID) string { return s.client.Node(s.key(id)) }

// Probe implements [session.Prober].
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	return s.client.Probe(ctx, shard)
}

// Evictions implements [session.EvictionCounter].
func (s *Store) Evictions(ctx context.Context, shard string) (uint64, error) {
	n, err := s.client.Evictions(ctx, shard)
	if err != nil {
		return 0, failure("evictions", err)
	}
	return n, nil
}

// Shards implements [session.Pinner]: the client's servers.
func (s *Store) Shards() []string { return slices.Sorted(slices.Values(s.client.Nodes())) }

// Pin implements [session.Pinner]: every call goes to that server, whichever server the
// ring names.
func (s *Store) Pin(shard string) (session.Store, error) {
	one, err := s.client.On(shard)
	if err != nil {
		return nil, fmt.Errorf("session: memcached pin: %w", err)
	}
	return &Store{client: one, prefix: s.prefix, flags: s.flags}, nil
}

func (s *Store) key(id session.ID) string { return s.prefix + string(id) }

// failure turns an error of the client into the contract's.
func failure(operation string, err error) error {
	switch {
	case errors.Is(err, memcached.ErrMiss):
		return session.ErrNotFound
	case errors.Is(err, memcached.ErrTooLarge):
		return fmt.Errorf("session: memcached %s: %w: %w", operation, session.ErrTooLarge, err)
	}
	return fmt.Errorf("session: memcached %s: %w", operation, err)
}

// A Version is a Token: the CAS value alone would come again, since servers
// count from 1 when they restart.

func version(t memcached.Token) (v session.Version) {
	binary.BigEndian.PutUint64(v[:8], t.Incarnation)
	binary.BigEndian.PutUint64(v[8:], t.CAS)
	return v
}

func tokenOf(v session.Version) memcached.Token {
	return memcached.Token{Incarnation: binary.BigEndian.Uint64(v[:8]), CAS: binary.BigEndian.Uint64(v[8:])}
}
