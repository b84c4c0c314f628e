package doctor

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sqlitestore"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteFacts are the settings and figures of a database file, of the files beside it and of
// its disk.
type sqliteFacts struct {
	journal string // the journal mode that the file has
	open    string // files that other accounts may read
	stuck   string // what the owner of the file cannot write
	foreign string // files beside it that belong to another account
	disk    disk
	wal     int64 // bytes of the log beside it
	size    int64
	unused  int64 // bytes of the file that hold nothing
	damage  string
	locked  bool   // for all the time that the doctor tried
	tables  string // what is wrong with them
	rows    int64
	expired int64
}

// disk is what is known of the file system that a file is on.
type disk struct {
	network string // its kind, if it is one of another machine
	memory  bool   // it is gone after a restart of the machine
	free    uint64
	total   uint64 // zero: it is not known
}

const (
	sqliteTable = "sessions" // as in sqlitestore and mysqlstore
	lockWait    = 2 * time.Second
)

func (r *Report) sqlite(ctx context.Context, address, table string) {
	path, name := strings.TrimPrefix(address, "sqlite:"), nameOf(address)
	table = cmp.Or(table, sqliteTable)
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory; name the file")
	}
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		r.blind(name, err)
		return
	}
	var facts sqliteFacts
	facts.lookAt(path, info)
	// Where SQLite must write to read, and the rights to write are missing, that is the finding.
	if err := facts.ask(ctx, path, table); err != nil && (facts.stuck == "" || !mayNotWrite(err)) {
		r.blind(name, err)
		return
	}
	r.Looked, r.skews[name] = append(r.Looked, name), 0 // there is no clock but this machine's
	before := len(r.Findings)
	judge(r, name, sqliteRules, facts)
	for _, f := range r.Findings[before:] {
		if f.Severity == Error {
			return
		}
	}
	if err := trySQLite(ctx, path, table); err != nil {
		r.Findings = append(r.Findings, Finding{
			"sqlite-refuses", name, Error, "a session cannot be saved: " + err.Error(),
			"503 on every page with a session, or with a backup: everybody is served from backups", "what the error names",
		})
	}
}

// lookAt looks at the files, and opens none: closing it would drop the locks that another
// user of the file has in this process.
func (f *sqliteFacts) lookAt(path string, info os.FileInfo) {
	f.size, f.disk = info.Size(), diskOf(path)
	if dir, err := os.Stat(filepath.Dir(path)); err == nil && dir.Mode().Perm()&0o300 != 0o300 {
		f.stuck = "its directory (mode " + dir.Mode().Perm().String() + ")"
	}
	var open, foreign []string
	for _, end := range []string{"", "-wal", "-shm"} {
		beside, err := os.Stat(path + end)
		if err != nil {
			continue
		}
		mode := beside.Mode().Perm()
		if mode&0o077 != 0 {
			open = append(open, filepath.Base(path)+end+" has the mode "+mode.String())
		}
		if mode&0o200 == 0 {
			f.stuck = filepath.Base(path) + end + " (mode " + mode.String() + ")"
		}
		if !sameOwner(info, beside) {
			foreign = append(foreign, filepath.Base(path)+end)
		}
		if end == "-wal" {
			f.wal = beside.Size()
		}
	}
	f.open, f.foreign = strings.Join(open, ", "), strings.Join(foreign, " and ")
}

// ask asks the database. It fails where the file is none.
func (f *sqliteFacts) ask(ctx context.Context, path, table string) error {
	q := url.Values{"mode": {"rw"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", lockWait.Milliseconds())}}
	db, err := sql.Open("sqlite", "file://"+(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	err = conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&f.journal)
	if f.locked = isBusy(err); f.locked { // without WAL a writer holds up all readers
		return nil
	}
	if err != nil {
		return err
	}
	f.locked = isLocked(ctx, conn)
	var check string
	if err := conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&check); err != nil {
		return err
	}
	if check != "ok" {
		f.damage = strings.Join(strings.Fields(check), " ")
		return nil
	}
	if f.tables, err = sqliteTables(ctx, conn, table); err != nil || f.tables != "" {
		return err
	}
	var page, free int64
	hour := time.Now().Add(-time.Hour).UnixMilli()
	err = conn.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE expires < ?1) FROM `+quoted(table, `"`), hour).Scan(&f.rows, &f.expired)
	if err == nil {
		err = conn.QueryRowContext(ctx, `SELECT p.page_size, f.freelist_count FROM pragma_page_size p, pragma_freelist_count f`).Scan(&page, &free)
	}
	f.unused = page * free
	return err
}

func quoted(name, mark string) string { return mark + strings.ReplaceAll(name, mark, mark+mark) + mark }

// isLocked reports whether another process holds the lock of writers for lockWait. Of a file that
// cannot be written the rules find the mode, or a save fails.
func isLocked(ctx context.Context, conn *sql.Conn) bool {
	_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return isBusy(err)
}

func isBusy(err error) bool { return codeOf(err) == sqlite3.SQLITE_BUSY }

// mayNotWrite reports whether SQLite could not write, or could not make a file beside the database.
func mayNotWrite(err error) bool {
	code := codeOf(err)
	return code == sqlite3.SQLITE_READONLY || code == sqlite3.SQLITE_CANTOPEN
}

// codeOf returns the primary code of an error, 0 where it is not of SQLite.
func codeOf(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// sqliteTables returns what is wrong with the tables, or nothing.
func sqliteTables(ctx context.Context, conn *sql.Conn, table string) (string, error) {
	var own, state int
	err := conn.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE name = ?1), count(*) FILTER (WHERE name = ?1 || '_store') FROM sqlite_schema WHERE type = 'table'`,
		table).Scan(&own, &state)
	switch {
	case err != nil:
		return "", err
	case own == 0:
		return "it has no table " + table, nil
	case state == 0:
		return "its table " + table + " is of another program", nil
	}
	return "", nil
}

// trySQLite does what the store does with a record of its own, and returns why it could not.
// The tables are there, so that Open makes none.
func trySQLite(ctx context.Context, path, table string) error {
	store, err := sqlitestore.Open(ctx, path, &sqlitestore.Options{Table: table, CleanEvery: -1})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	return tryStore(ctx, store)
}

// tryStore saves a record of the doctor's own, and removes it.
func tryStore(ctx context.Context, store session.Store) error {
	r := session.Record{Data: []byte("doctor"), Expires: time.Now().Add(10 * time.Second)}
	v, err := store.Save(ctx, ownID, r, session.Any)
	if err == nil {
		r.Expires = time.Unix(1, 0)
		_, err = store.Save(ctx, ownID, r, v)
	}
	if err != nil {
		return fmt.Errorf("a record of the doctor's own: %w", err)
	}
	return nil
}

const ownID session.ID = "probe-d0c70000-0"
