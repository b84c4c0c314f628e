package pgstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxData is the largest record. PostgreSQL itself would take some hundred megabytes.
const maxData = 16 << 20

// Store is a [session.Store] in PostgreSQL, a [session.Lister] and a [session.Prober]. It
// may be used by any number of goroutines.
type Store struct {
	options
	pool  *pgxpool.Pool
	sql   statements
	calls *background.Calls
	told  sync.Map // of lines that were logged, by what they are about

	name  [16]byte // of this instance, for the others that clean up
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// New returns a store that works through pool, whose options [PoolConfig] explains. It
// does not ask the server: a program may start while that is away. See [Store.Check].
// The pool stays the caller's, to be closed after [Store.Close]. New panics where pool is nil.
func New(pool *pgxpool.Pool, all ...Option) *Store {
	if pool == nil {
		panic("session: pgstore: the pool is nil")
	}
	s := &Store{options: optionsOf(all), pool: pool, calls: background.New(int(pool.Config().MaxConns), budget)}
	s.sql = newStatements(s.options)
	rand.Read(s.name[:])
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if s.cleanEvery > 0 {
		s.ended.Go(func() { s.clean(ctx) })
	}
	return s
}

// Close returns when no statement of the store is under way, which takes up to five
// seconds where the server does not answer. Later calls fail.
func (s *Store) Close() {
	s.stop()
	s.ended.Wait()
	s.calls.Close()
}

// do runs a statement that may outlive its caller.
func do[T any](ctx context.Context, s *Store, what string, statement func(context.Context) (T, error)) (T, error) {
	run := func() (T, error) { return background.Do(ctx, s.calls, statement) }
	if s.direct {
		run = func() (T, error) { return statement(ctx) }
	}
	value, err := run()
	return value, s.failure(ctx, what, err)
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return do(ctx, s, "load", func(ctx context.Context) (session.Record, error) {
		var r session.Record
		var version []byte
		err := s.read(ctx, func() error { return s.pool.QueryRow(ctx, s.sql.load, string(id)).Scan(&version, &r.Data) })
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return session.Record{}, session.ErrNotFound
		case err == nil && len(version) != len(r.Version):
			return session.Record{}, fmt.Errorf("a version of %d bytes: another program writes to %s", len(version), s.options.name())
		}
		copy(r.Version[:], version)
		return r, err
	})
}

// read asks again where a connection was broken: the server or a proxy may have closed it
// some time ago. A pool holds at most as many broken connections as it has connections,
// and the first connection that is made anew shows whether the server answers.
func (s *Store) read(ctx context.Context, ask func() error) (err error) {
	for range s.pool.Config().MaxConns + 1 {
		if err = ask(); !isBroken(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Save implements [session.Store]. Each is one statement, which READ COMMITTED makes a
// compare-and-set: one that waited for another's row evaluates its WHERE again, on the row
// as it is then.
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: postgres save: Record.Expires is zero: a session without an end would stay for good")
	}
	if len(r.Data) > maxData {
		return session.Absent, fmt.Errorf("session: postgres save: %d bytes: %w", len(r.Data), session.ErrTooLarge)
	}
	var version session.Version
	rand.Read(version[:])
	query, args := s.save(id, r, version, over)
	return do(ctx, s, "save", func(ctx context.Context) (session.Version, error) {
		done, err := s.pool.Exec(ctx, query, args...)
		switch {
		case over != session.Any && isSerialization(err):
			return session.Absent, session.ErrConflict // the pool's isolation is a higher one
		case err != nil:
			return session.Absent, err
		case over != session.Any && done.RowsAffected() == 0:
			return session.Absent, session.ErrConflict
		}
		return version, nil
	})
}

// save returns the statement and what it is about. The data is a copy: the caller may
// leave, and change its own, before the statement has ended.
func (s *Store) save(id session.ID, r session.Record, version, over session.Version) (query string, args []any) {
	left := secondsUntil(r.Expires, time.Now())
	switch {
	case left <= 0 && over == session.Any:
		return s.sql.remove, []any{string(id)}
	case left <= 0 && over != session.Absent:
		return s.sql.removeVersion, []any{string(id), over[:]}
	}
	data := make([]byte, 0, len(r.Data)) // never nil, which would be NULL
	args = []any{string(id), version[:], append(data, r.Data...), left}
	switch over {
	case session.Absent:
		return s.sql.create, args
	case session.Any:
		return s.sql.replace, args
	}
	return s.sql.compareAndSet, append(args, over[:])
}

// secondsUntil is an expiry as the time that is left, so that the clocks of the program
// and of the server may differ. A time.Duration would end after 292 years; PostgreSQL's
// calendar ends in the year 294276.
func secondsUntil(expires, now time.Time) float64 {
	left := float64(expires.Unix()-now.Unix()) + float64(expires.Nanosecond()-now.Nanosecond())/1e9
	return max(-1, min(left, 9e12))
}

// without logs, once for each, that the store works without something.
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
