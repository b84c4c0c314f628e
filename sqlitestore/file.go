package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// file is an open database file. Its fields do not change once it is open.
type file struct {
	info, wal, shm os.FileInfo // of what the connections have open

	readers *sql.DB
	load    *sql.Stmt
	list    *sql.Stmt
	probe   *sql.Stmt
	expired *sql.Stmt

	writers *sql.DB // of one connection
	write   *writeConn

	statements []*sql.Stmt    // all of them
	users      sync.WaitGroup // calls that use it
}

// writeConn is the connection that writes. One goroutine at a time uses it.
type writeConn struct {
	conn                                                  *sql.Conn
	create, put, swap, remove, removeAny                  *sql.Stmt
	mark, moveMark, dropMarks, takeTurn, removeAllExpired *sql.Stmt
}

// openFile opens an existing file, which may be empty, and makes the tables.
func openFile(ctx context.Context, path string, o Options) (*file, error) {
	f := new(file)
	err := f.open(ctx, path, o)
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *file) open(ctx context.Context, path string, o Options) error {
	var err error
	if f.info, err = os.Stat(path); err != nil {
		return err
	}
	if f.info.IsDir() {
		return errors.New("it is a directory; want the path of a file")
	}
	stores.add(f.info)
	synchronous := "synchronous(FULL)"
	if o.LosesOnPowerFailure {
		synchronous = "synchronous(NORMAL)"
	}
	f.writers, err = sql.Open("sqlite", source(path, "busy_timeout(0)", synchronous, "journal_size_limit(67108864)"))
	if err != nil {
		return err
	}
	f.writers.SetMaxOpenConns(1)
	f.write = new(writeConn)
	if err := untilFree(ctx, func() (err error) {
		if f.write.conn == nil {
			f.write.conn, err = f.writers.Conn(ctx)
		}
		if err == nil {
			err = useWAL(ctx, f.write.conn)
		}
		if err == nil {
			_, err = f.write.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		}
		return err
	}); err != nil {
		return err
	}
	if err = migrate(ctx, f.write.conn, o.Table); err != nil {
		return err // the connection, which is closed now, rolls back
	}
	if _, err = f.write.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	f.readers, err = sql.Open("sqlite", source(path, "busy_timeout(5000)", "query_only(1)"))
	if err != nil {
		return err
	}
	f.readers.SetMaxOpenConns(o.Readers)
	f.readers.SetMaxIdleConns(o.Readers)
	if err := f.prepare(ctx, o.Table); err != nil {
		return err
	}
	return f.remember(path)
}

// remember notes which files the connections have open, and fails where the path was
// given to another file meanwhile.
func (f *file) remember(path string) error {
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, f.info) {
		return errors.New("the file was replaced while it was opened")
	}
	if f.wal, err = os.Stat(path + "-wal"); err != nil {
		return err
	}
	f.shm, err = os.Stat(path + "-shm")
	return err
}

// source is the data source name of a file, with pragmas for each connection. It never
// makes the file.
func source(path string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	q := url.Values{"mode": {"rw"}, "_pragma": pragmas}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func useWAL(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode stays %s and cannot be WAL: the file has to be on a disk of this machine", mode)
	}
	return nil
}

func (f *file) prepare(ctx context.Context, table string) error {
	var errs []error
	keep := func(s *sql.Stmt, err error) *sql.Stmt {
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		f.statements = append(f.statements, s)
		return s
	}
	read := func(text string) *sql.Stmt {
		s, err := f.readers.PrepareContext(ctx, named(text, table))
		return keep(s, err)
	}
	write := func(text string) *sql.Stmt {
		s, err := f.write.conn.PrepareContext(ctx, named(text, table))
		return keep(s, err)
	}
	f.load = read(`SELECT version, data, expires FROM sessions WHERE id = ?1 AND expires > ?2`)
	f.list = read(`SELECT id FROM sessions WHERE id > ?1 AND expires > ?2 ORDER BY id LIMIT ?3`)
	f.probe = read(`SELECT s.name, m.mark FROM sessions_store s LEFT JOIN sessions_marks m ON m.instance = ?1`)
	f.expired = read(`SELECT EXISTS (SELECT 1 FROM sessions WHERE expires <= ?1)`)

	// A row that has expired counts as none.
	const insert = `INSERT INTO sessions (id, version, data, expires) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (id) DO UPDATE SET version = ?2, data = ?3, expires = ?4`
	w := f.write
	w.create = write(insert + ` WHERE sessions.expires <= ?5`)
	w.put = write(insert)
	w.swap = write(`UPDATE sessions SET version = ?2, data = ?3, expires = ?4 WHERE id = ?1 AND version = ?6 AND expires > ?5`)
	w.remove = write(`DELETE FROM sessions WHERE id = ?1 AND version = ?2 AND expires > ?3`)
	w.removeAny = write(`DELETE FROM sessions WHERE id = ?1`)
	w.mark = write(`INSERT INTO sessions_marks (instance, mark, at) VALUES (?1, ?2, ?3)
		ON CONFLICT (instance) DO UPDATE SET mark = ?2, at = ?3`)
	w.moveMark = write(`UPDATE sessions_marks SET mark = ?2, at = ?3 WHERE instance = ?1 AND mark IN (?2, ?4)`)
	w.dropMarks = write(`DELETE FROM sessions_marks WHERE at <= ?1`)
	w.takeTurn = write(`UPDATE sessions_store SET cleaned = ?1 WHERE cleaned <= ?2 OR cleaned > ?1`)
	w.removeAllExpired = write(`DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires <= ?1 LIMIT ?2)`)
	return errors.Join(errs...)
}

// close waits for the calls that use the file. The last process that closes it moves
// what the log has into the file, and removes the log: SQLite does so only where no
// statement is left.
func (f *file) close() {
	f.users.Wait()
	for _, s := range f.statements {
		_ = s.Close()
	}
	if f.readers != nil {
		_ = f.readers.Close()
	}
	if f.write != nil && f.write.conn != nil {
		_ = f.write.conn.Close()
	}
	if f.writers != nil {
		_ = f.writers.Close()
	}
}

// discard closes a file to whose path another one was given, and removes from beside
// the path what belongs to the old one: the new file would be taken to be in the state
// that the old log says. The log's contents go into the old file first. The caller
// holds the lock of the directory, so no other process makes a log for the new file
// between the look and the removal.
func (f *file) discard(path string) {
	f.users.Wait()
	_, _ = f.write.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	f.close()
	for name, old := range map[string]os.FileInfo{path + "-wal": f.wal, path + "-shm": f.shm} {
		if now, err := os.Stat(name); err == nil && os.SameFile(now, old) {
			_ = os.Remove(name)
		}
	}
}

// untilFree calls f until no other process keeps it from its lock, or ctx ends.
func untilFree(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !isBusy(err) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		pause()
	}
}

// pause is short, because a writer holds its lock for milliseconds, and random, so
// that two processes do not retry in step.
func pause() { time.Sleep(200*time.Microsecond + rand.N(time.Millisecond)) }

// isBusy reports whether another process has a lock that the statement needs.
func isBusy(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_PROTOCOL
}
