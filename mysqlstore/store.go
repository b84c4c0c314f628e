package mysqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
	"github.com/holdfast-go/session/internal/mark"
)

// Store is a [session.Store] in MariaDB or MySQL, a [session.Lister] and a
// [session.Prober]. It may be used by any number of goroutines.
type Store struct {
	db      *sql.DB
	options Options
	shard   string
	calls   *background.Calls
	text    texts
	marks   *mark.Marks
	started start

	mu      sync.Mutex // guards closed
	closed  bool
	closing chan struct{} // closed by Close
	loops   sync.WaitGroup
}

// texts are the statements, with the names of the tables.
type texts struct {
	load, list                            string
	create, put, swap, remove, removeAny  string
	probe, mark, moveMark                 string
	expired, takeTurn, dropMarks, dropOld string
}

// A row that has expired counts as none. VALUES() is what MariaDB and MySQL both know.
// The expiry is the last to be set, since the others look at the one of before.
const (
	insert = `INSERT INTO sessions (id, version, data, expires) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE `
	isOver = `expires <= UTC_TIMESTAMP(3)`
)

var statements = texts{
	load:      `SELECT version, data, expires FROM sessions WHERE id = ? AND expires > UTC_TIMESTAMP(3)`,
	list:      `SELECT id FROM sessions WHERE id > ? AND expires > UTC_TIMESTAMP(3) ORDER BY id LIMIT 1000`,
	create:    insert + `version = IF(` + isOver + `, VALUES(version), version), data = IF(` + isOver + `, VALUES(data), data), expires = IF(` + isOver + `, VALUES(expires), expires)`,
	put:       insert + `version = VALUES(version), data = VALUES(data), expires = VALUES(expires)`,
	swap:      `UPDATE sessions SET version = ?, data = ?, expires = ? WHERE id = ? AND version = ? AND expires > UTC_TIMESTAMP(3)`,
	remove:    `DELETE FROM sessions WHERE id = ? AND version = ? AND expires > UTC_TIMESTAMP(3)`,
	removeAny: `DELETE FROM sessions WHERE id = ?`,
	probe:     `SELECT s.name, m.mark FROM sessions_store s LEFT JOIN sessions_marks m ON m.instance = ? WHERE s.id = 1`,
	mark:      `INSERT INTO sessions_marks (instance, mark, at) VALUES (?, ?, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE mark = VALUES(mark), at = VALUES(at)`,
	moveMark:  `UPDATE sessions_marks SET mark = ?, at = UTC_TIMESTAMP(3) WHERE instance = ? AND mark IN (?, ?)`,
	expired:   `SELECT EXISTS (SELECT 1 FROM sessions WHERE expires <= UTC_TIMESTAMP(3))`,
	takeTurn:  `UPDATE sessions_store SET cleaned = UTC_TIMESTAMP(3) WHERE id = 1 AND (cleaned <= UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND OR cleaned > UTC_TIMESTAMP(3))`,
	dropMarks: `DELETE FROM sessions_marks WHERE at <= UTC_TIMESTAMP(3) - INTERVAL 7 DAY`,
	dropOld:   `DELETE FROM sessions WHERE expires <= UTC_TIMESTAMP(3) ORDER BY expires LIMIT 500`,
}

func (t texts) named(table string) texts {
	for _, s := range []*string{
		&t.load, &t.list, &t.create, &t.put, &t.swap, &t.remove, &t.removeAny, &t.probe, &t.mark, &t.moveMark,
		&t.expired, &t.takeTurn, &t.dropMarks, &t.dropOld,
	} {
		*s = named(*s, table)
	}
	return t
}

var errClosed = errors.New("session: mysql: the store is closed")

// Open connects to a server, and makes the tables where there are none: see [Schema].
// The store uses a copy of config, in which it sets what it relies on. Close the store
// at the end.
func Open(ctx context.Context, config *mysql.Config, o *Options) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := connect(config, options)
	if err != nil {
		return nil, fmt.Errorf("session: mysql: %w", err)
	}
	if err := migrate(ctx, db, options); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("session: mysql: open: %w", err)
	}
	s := &Store{
		db: db, options: options, shard: "mysql",
		calls:   background.New(options.Conns, options.StatementTimeout),
		text:    statements.named(options.Table),
		marks:   mark.New(),
		closing: make(chan struct{}),
	}
	if options.CleanEvery > 0 {
		s.loops.Go(s.cleanLoop)
	}
	return s, nil
}

// Close waits for the statements that are under way, also for those whose callers have
// left, and closes the connections. Calls that come later fail.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	close(s.closing)
	s.loops.Wait()
	s.calls.Close()
	return s.db.Close()
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := background.Do(ctx, s.calls, func(ctx context.Context) (r session.Record, err error) {
		var version []byte
		var expires string
		err = s.read(ctx, func() error {
			return s.db.QueryRowContext(ctx, s.text.load, string(id)).Scan(&version, &r.Data, &expires)
		})
		if errors.Is(err, sql.ErrNoRows) {
			return session.Record{}, session.ErrNotFound
		}
		if err != nil {
			return session.Record{}, err
		}
		copy(r.Version[:], version)
		r.Expires, err = time.Parse(layout, expires)
		return r, err
	})
	if err != nil {
		return session.Record{}, failure("load", err)
	}
	return r, nil
}

// read asks again where a connection broke over which a statement was sent (decision 67). The
// pool may hold as many such connections as there are, and the first one that is made anew
// shows whether the server answers.
func (s *Store) read(ctx context.Context, ask func() error) (err error) {
	for range s.options.Conns + 1 {
		if err = ask(); !isBroken(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// isBroken reports whether a connection was lost, rather than that the server answered or
// could not be connected to.
func isBroken(err error) bool {
	if reply := new(mysql.MySQLError); errors.As(err, &reply) {
		return reply.Number == serverShutdown || reply.Number == connectionKilled
	}
	return errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Answers of a server that ends a connection.
const (
	serverShutdown   = 1053
	connectionKilled = 1927 // MariaDB's
)

// Save implements [session.Store].
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	switch {
	case r.Expires.IsZero():
		return session.Absent, errors.New("session: mysql save: Record.Expires is zero")
	case len(r.Data) > s.options.MaxRecord:
		return session.Absent, failure("save", session.ErrTooLarge)
	}
	var v session.Version
	rand.Read(v[:])
	data := append([]byte{}, r.Data...) // the caller may leave, and change its own; never nil, which is NULL
	expires := r.Expires
	_, err := background.Do(ctx, s.calls, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.save(ctx, string(id), v[:], data, expires, over)
	})
	if err != nil {
		return session.Absent, failure("save", err)
	}
	return v, nil
}

// save is one statement.
func (s *Store) save(ctx context.Context, id string, version, data []byte, end time.Time, over session.Version) error {
	isPast := !time.Now().Before(end)
	expires := formatTime(end, isPast)
	switch {
	case over == session.Absent:
		// A record that is past at once is written so: no Load will see it. 1 row is
		// changed where none stood there, 2 where one did that had expired.
		return s.change(ctx, s.text.create, id, version, data, expires)
	case over == session.Any && isPast:
		err := s.change(ctx, s.text.removeAny, id)
		if errors.Is(err, session.ErrConflict) {
			err = nil // nothing stood there
		}
		return err
	case over == session.Any:
		return s.change(ctx, s.text.put, id, version, data, expires)
	case isPast:
		return s.change(ctx, s.text.remove, id, over[:])
	}
	return s.change(ctx, s.text.swap, version, data, expires, id, over[:])
}

// change executes a statement, and returns ErrConflict where it changed nothing.
func (s *Store) change(ctx context.Context, statement string, arguments ...any) error {
	n, err := s.execute(ctx, statement, arguments...)
	if err == nil && n == 0 {
		err = session.ErrConflict
	}
	return err
}

// execute executes a statement, and returns how many rows it changed. A statement
// that InnoDB gave up in a deadlock has done nothing, and is sent again.
func (s *Store) execute(ctx context.Context, statement string, arguments ...any) (changed int64, err error) {
	for {
		done, err := s.db.ExecContext(ctx, statement, arguments...)
		if isNumber(err, deadlock) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return 0, err
		}
		return done.RowsAffected()
	}
}

// layout is how the server reads and writes a DATETIME(3).
const layout = "2006-01-02 15:04:05.000"

var (
	latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	before = time.Unix(1, 0).UTC()
)

// formatTime rounds up, because a record is there until its expiry. A time that is
// past is so by the server's clock too.
func formatTime(t time.Time, isPast bool) string {
	switch {
	case isPast:
		t = before
	case t.After(latest):
		t = latest
	}
	up := t.UTC().Truncate(time.Millisecond)
	if up.Before(t) {
		up = up.Add(time.Millisecond)
	}
	return up.Format(layout)
}

// failure wraps the cause.
func failure(operation string, err error) error {
	switch {
	case errors.Is(err, background.ErrClosed), errors.Is(err, sql.ErrConnDone):
		err = errClosed
	case errors.Is(err, mysql.ErrPktTooLarge), isNumber(err, packetTooLarge):
		err = fmt.Errorf("%w: %w", session.ErrTooLarge, err)
	}
	return fmt.Errorf("session: mysql %s: %w", operation, err)
}
