package sqlitestore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
	"github.com/holdfast-go/session/internal/mark"
)

// Store is a [session.Store] in a SQLite file, a [session.Lister] and a
// [session.Prober]. It may be used by any number of goroutines.
type Store struct {
	path    string
	options Options
	calls   *background.Calls
	writes  chan *write

	mu     sync.RWMutex // guards file and closed
	file   *file        // nil after a replacement that failed
	closed bool

	closing chan struct{} // closed by Close
	loops   sync.WaitGroup

	marks *mark.Marks
}

// maxRecord is below SQLite's limit of a row, 1,000,000,000 bytes.
const maxRecord = 999_000_000

// stuck is how long a statement may keep its place after its caller has left.
const stuck = 30 * time.Second

var (
	errClosed = errors.New("session: sqlite: the store is closed")
	errMemory = errors.New("session: sqlite: want the path of a file; memstore keeps sessions in memory")
)

// Open opens the database file at path, and makes the file and its tables where there
// are none: see [Schema]. A new file can be read by its owner only. Where another
// process holds a lock, Open waits until ctx ends. A relative path stays that of the
// working directory at the time of Open. Close the store at the end.
//
// Where the program also has another SQLite library than modernc.org/sqlite, such as
// github.com/mattn/go-sqlite3, the sessions need a file of their own: two libraries in one
// process do not see each other's locks, and destroy a file that they share. Open refuses a
// file that the program has open already, where the system tells. Other processes may use
// any library.
func Open(ctx context.Context, path string, o *Options) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, errMemory
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("session: sqlite: %w", err)
	}
	if err := refuseShared(path); err != nil {
		return nil, fmt.Errorf("session: sqlite: open %s: %w", path, err)
	}
	// O_EXCL: a file that exists is not opened here. Closing it would drop the locks of
	// another store of this process (POSIX).
	made, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		err = made.Close()
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("session: sqlite: %w", err)
	}
	f, err := openFile(ctx, path, options)
	if err != nil {
		return nil, fmt.Errorf("session: sqlite: open %s: %w", path, err)
	}
	s := &Store{
		path: path, options: options, file: f,
		calls:   background.New(options.Readers, stuck),
		writes:  make(chan *write),
		closing: make(chan struct{}),
		marks:   mark.New(),
	}
	s.loops.Go(s.writeLoop)
	if options.CleanEvery > 0 {
		s.loops.Go(s.cleanLoop)
	}
	return s, nil
}

// Close waits for the statements that are under way, also for those whose callers have
// left, and closes the file. Calls that come later fail.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	close(s.closing)
	s.calls.Close()
	s.loops.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.close()
		s.file = nil
	}
	return nil
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := read(ctx, s, func(ctx context.Context, f *file) (r session.Record, err error) {
		var version []byte
		var expires int64
		err = f.load.QueryRowContext(ctx, string(id), time.Now().UnixMilli()).Scan(&version, &r.Data, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			return session.Record{}, session.ErrNotFound
		}
		if err == nil && len(version) != len(r.Version) {
			err = fmt.Errorf("session %s has a version of %d bytes", id, len(version))
		}
		copy(r.Version[:], version)
		r.Expires = time.UnixMilli(expires)
		return r, err
	})
	if err != nil {
		return session.Record{}, failure("load", err)
	}
	return r, nil
}

// Save implements [session.Store].
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	switch {
	case r.Expires.IsZero():
		return session.Absent, errors.New("session: sqlite save: Record.Expires is zero")
	case len(r.Data) > maxRecord:
		return session.Absent, failure("save", session.ErrTooLarge)
	}
	var v session.Version
	rand.Read(v[:])
	data := append([]byte{}, r.Data...) // the caller may leave, and change its own; never nil, which is NULL
	expires := r.Expires
	err := s.write(ctx, func(w *writeConn) error {
		return w.save(string(id), v[:], data, expires, over)
	})
	if err != nil {
		return session.Absent, failure("save", err)
	}
	return v, nil
}

// save is one statement, in a transaction that holds the write lock.
func (w *writeConn) save(id string, version, data []byte, end time.Time, over session.Version) error {
	ctx, clock := context.Background(), time.Now()
	now, expires := clock.UnixMilli(), milliseconds(end)
	isPast := !clock.Before(end)
	if isPast {
		expires = min(expires, now)
	}
	var done sql.Result
	var err error
	switch {
	case over == session.Absent:
		// A record that is past at once is written so: no Load will see it.
		done, err = w.create.ExecContext(ctx, id, version, data, expires, now)
	case over == session.Any && isPast:
		_, err = w.removeAny.ExecContext(ctx, id)
		return err
	case over == session.Any:
		done, err = w.put.ExecContext(ctx, id, version, data, expires)
	case isPast:
		done, err = w.remove.ExecContext(ctx, id, over[:], now)
	default:
		done, err = w.swap.ExecContext(ctx, id, version, data, expires, now, over[:])
	}
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return session.ErrConflict
}

// read runs f on the file, for a caller that may leave. f's context never ends: the
// driver closes a connection whose statement was interrupted.
func read[T any](ctx context.Context, s *Store, f func(context.Context, *file) (T, error)) (T, error) {
	return background.Do(ctx, s.calls, func(ctx context.Context) (T, error) {
		file, err := s.use(ctx)
		if err != nil {
			var zero T
			return zero, err
		}
		defer file.users.Done()
		return f(context.WithoutCancel(ctx), file)
	})
}

// use returns the file at the path, for a call that ends with users.Done. It looks
// whether the path has been given to another file, a microsecond: a connection would go
// on with the old one, which no other process reads any more.
func (s *Store) use(ctx context.Context) (*file, error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, os.ErrNotExist) {
		// It is not made anew: what is being restored would be mixed with it.
		return nil, fmt.Errorf("the file is gone; put one in its place, or restart to begin with an empty one: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if f := s.current(info); f != nil {
		return f, nil
	}
	return s.reopen(ctx, info)
}

// current returns the open file if info is of it.
func (s *Store) current(info os.FileInfo) *file {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.currentLocked(info)
}

// currentLocked is current for a caller that holds mu.
func (s *Store) currentLocked(info os.FileInfo) *file {
	if s.file == nil || !os.SameFile(info, s.file.info) {
		return nil
	}
	s.file.users.Add(1)
	return s.file
}

// reopen closes the old file and opens the one that is at the path now.
func (s *Store) reopen(ctx context.Context, info os.FileInfo) (*file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if f := s.currentLocked(info); f != nil {
		return f, nil // another call was first
	}
	unlock, err := lockDirectory(filepath.Dir(s.path))
	if err != nil {
		return nil, fmt.Errorf("the file was replaced: %w", err)
	}
	defer unlock()
	if s.file != nil {
		s.marks.Lose()
		s.file.discard(s.path)
		s.file = nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	f, err := openFile(ctx, s.path, s.options)
	if err != nil {
		return nil, fmt.Errorf("the file was replaced: %w", err)
	}
	f.users.Add(1)
	s.file = f
	return f, nil
}

// failure wraps the cause.
func failure(operation string, err error) error {
	if errors.Is(err, background.ErrClosed) {
		err = errClosed
	}
	return fmt.Errorf("session: sqlite %s: %w", operation, err)
}

// milliseconds rounds up: a record is there until its expiry.
func milliseconds(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}
