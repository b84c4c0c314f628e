package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// Store is a [session.Store] in Redis, a [session.Lister], a
// [session.FreshLoader] and a [session.Prober]. It may be used by any number of goroutines. It needs
// no Close; the client, which stays the caller's, does.
type Store struct {
	client rueidis.Client
	prefix string
	raw    bool // records have no version in front
	sender sender
	ttl    time.Duration // of what the client caches; 0: it does not
	floors *floors       // nil where nothing is cached

	cluster *cluster // nil where there is none
	shard   string   // the only one, where there is no cluster

	log      *slog.Logger // nil: slog.Default
	told     sync.Map     // of lines that were logged, by what they are about
	cuts     atomic.Int32 // INFOs in a row that ended the connection, where GET is answered
	refusals atomic.Int32 // INFOs in a row with an error that may be of the moment, where GET is answered
	tracking atomic.Bool  // the client has been seen to cache
}

// Option is an option of [New].
type Option func(*Store)

// New returns a store that works through client, whose options
// [ClientOption] explains. A cluster is asked for its layout, for up to a
// second: see [Store.Shard]. New panics where client is nil.
func New(client rueidis.Client, options ...Option) *Store {
	if client == nil {
		panic("session: redisstore: the client is nil")
	}
	s := &Store{client: client, prefix: "session:", shard: onlyShard(client)}
	for _, o := range options {
		o(s)
	}
	if s.ttl > 0 {
		s.floors = newFloors(s.ttl)
	}
	if client.Mode() == rueidis.ClientModeCluster {
		s.cluster = s.firstLayout()
	}
	return s
}

// Prefix puts p in front of every ID to make its key; the default is
// "session:". Two stores on one database need two prefixes, of which neither
// begins with the other.
func Prefix(p string) Option { return func(s *Store) { s.prefix = p } }

// ClientCache keeps sessions in this process for up to ttl after they were read, so that
// reading one again asks Redis nothing. Redis tells the client within milliseconds when another
// client writes one, as long as the connection stands. Where the connection breaks, the cache
// is emptied. This store's own writes are always seen at once, by every Load that begins after
// the Save returned. LoadFresh passes by the cache.
//
// It works with a client of [ClientOption] that was given the same option; with another, whose
// DisableCache is set, every read asks Redis, and the store logs that once. It takes RESP3, and
// memory of the server's for each key that is cached somewhere. A read that finds nothing
// cached costs up to twice a plain one: a store whose sessions are written as often as they are
// read loses by it. Use one caching Store per client and prefix. With a ttl of 0 nothing is
// cached.
func ClientCache(ttl time.Duration) Option { return func(s *Store) { s.ttl = ttl } }

// Log sets where the store says what the server refuses and it can do without,
// such as INFO: one line for each, whatever happens later. Nothing else is
// logged. The default is slog.Default().
func Log(l *slog.Logger) Option { return func(s *Store) { s.log = l } }

// without logs, once, what the store does without.
func (s *Store) without(what, message string, args ...any) {
	if _, told := s.told.LoadOrStore(what, true); told {
		return
	}
	l := s.log
	if l == nil {
		l = slog.Default()
	}
	l.Warn(message, args...)
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if s.ttl > 0 {
		return s.loadCached(ctx, s.key(id))
	}
	return s.load(ctx, s.key(id))
}

// LoadFresh implements [session.FreshLoader]. Without [ClientCache] it is
// Load.
func (s *Store) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	key := s.key(id)
	floor := s.floors.of(key)
	r, err := s.load(ctx, key)
	if err == nil {
		s.floors.raise(key, floor, r.Version)
	}
	return r, err
}

// Save implements [session.Store].
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: redis save: Record.Expires is zero: a session without an end would stay for good")
	}
	if len(r.Data) > maxData {
		return session.Absent, fmt.Errorf("session: redis save: %d bytes: %w", len(r.Data), session.ErrTooLarge)
	}
	key, version := s.key(id), s.version(id, r.Data)
	s.floors.lift(key)
	began := time.Now()
	err := s.save(ctx, key, r, version, over)
	if isReplica(err) && hangUp(s.client, began) {
		err = s.save(ctx, key, r, version, over) // it did nothing there, and another server may be behind the address
	}
	s.floors.settle(key, version, err == nil)
	if err != nil {
		return session.Absent, err
	}
	return version, nil
}

// save never leaves a key without an expiry, and is one round trip. An expiry
// is sent as the time that is left, so that the clocks here and there may
// differ.
func (s *Store) save(ctx context.Context, key string, r session.Record, version, over session.Version) error {
	left := ceilMilliseconds(time.Until(r.Expires))
	switch {
	case over != session.Absent && over != session.Any && s.raw:
		return s.compareAndSetRaw(ctx, key, r.Data, over, left)

	case over != session.Absent && over != session.Any:
		return s.compareAndSet(ctx, key, r.Data, version, over, left)

	case left <= 0 && over == session.Any:
		_, err := s.do(ctx, s.command("DEL", key)).ToInt64()
		return s.failure(ctx, "save", err)

	case left <= 0: // over Absent: there is nothing to do, if there is nothing
		n, err := s.do(ctx, s.command("EXISTS", key)).ToInt64()
		if err != nil {
			return s.failure(ctx, "save", err)
		}
		if n != 0 {
			return session.ErrConflict
		}
		return nil
	}
	return s.set(ctx, key, r.Data, version, over, left)
}

// set saves over Absent or Any.
func (s *Store) set(ctx context.Context, key string, data []byte, version, over session.Version, left int64) error {
	args := []string{s.value(version, data), "PX", strconv.FormatInt(left, 10), "NX"}
	if over == session.Any {
		args = args[:3]
	}
	done, err := s.do(ctx, pinLarge(s.command("SET", key, args...), data)).ToString()
	switch {
	case rueidis.IsRedisNil(err) && over == session.Absent: // SET NX says so where a key stands
		return session.ErrConflict
	case err == nil && done != "OK":
		err = errAnswer
	}
	return s.failure(ctx, "save", err)
}

// load is one GET.
//
// A record of another key is the answer to another command, or was put there by another
// program. The second answer tells which of the two: where it is the key's own, the
// connection has an answer too many, which the next callers on it must not get.
func (s *Store) load(ctx context.Context, key string) (session.Record, error) {
	began := time.Now()
	r, err := s.record(ctx, key, s.doRead(ctx, s.command("GET", key)))
	if errors.Is(err, errForeign) {
		return s.loadAgain(ctx, key, began, err)
	}
	return r, err
}

// loadAgain is load after a record of another key, which first is the error of. Its variables
// are not on the stack of a request that waits for the server.
//
//go:noinline
func (s *Store) loadAgain(ctx context.Context, key string, began time.Time, first error) (session.Record, error) {
	r, err := s.record(ctx, key, s.doRead(ctx, s.command("GET", key)))
	if !errors.Is(err, errForeign) {
		hangUp(s.client, began)
		return r, err
	}
	return session.Record{}, first
}

// record returns the record in the reply to a GET.
func (s *Store) record(ctx context.Context, key string, reply rueidis.RedisResult) (session.Record, error) {
	b, err := reply.AsBytes()
	if rueidis.IsRedisNil(err) {
		return session.Record{}, session.ErrNotFound
	}
	if err != nil {
		return session.Record{}, s.failure(ctx, "load", err)
	}
	if s.raw {
		return session.Record{Data: b, Version: hashVersion(b)}, nil
	}
	if len(b) < versionSize || !isOf(session.Version(b), session.ID(key[len(s.prefix):])) {
		return session.Record{}, foreign("load", key)
	}
	return decode(b), nil
}

func (s *Store) key(id session.ID) string { return s.prefix + string(id) }

// command makes a command that the client treats as a write: the client never sends
// it a second time, and never to a replica.
func (s *Store) command(name, key string, args ...string) rueidis.Completed {
	return s.client.B().Arbitrary(name).Keys(key).Args(args...).Build()
}

// failure wraps the cause. It says that the context was canceled only if ctx was, and not if
// it was the context of another caller, which was connecting for both.
func (s *Store) failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if own := ended(ctx); own != nil {
		return fmt.Errorf("session: redis %s: %w", operation, own)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("session: redis %s: not connected: %s", operation, err.Error()) // hides whose context it was
	}
	return fmt.Errorf("session: redis %s: %w", operation, explained(err))
}

func ceilMilliseconds(d time.Duration) int64 {
	n := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		n++
	}
	return n
}
