//go:build linux

package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sqlitestore"
)

// shopFile is a database file as the store makes it, with a session in it.
func shopFile(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "shop.db")
	store, err := sqlitestore.Open(t.Context(), path, &sqlitestore.Options{CleanEvery: -1, LosesOnPowerFailure: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Save(t.Context(), "one", session.Record{Data: []byte("x"), Expires: time.Now().Add(time.Hour)}, session.Absent); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// onDisk returns a new directory of the test's own. Some systems have that of temporary files in
// memory.
func onDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if !diskOf(dir).memory {
		return dir
	}
	dir, err := os.MkdirTemp("/var/tmp", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// program is another program that has the file open, until the test ends.
func program(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK")
		conn.Close()
		db.Close()
	})
	runs(t, conn, "PRAGMA busy_timeout = 5000", "PRAGMA synchronous = OFF")
	return conn
}

func runs(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		rows, err := conn.QueryContext(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		for rows.Next() {
		}
		rows.Close()
	}
}

// fill puts rows of a KB into the table.
func fill(rows int) string {
	return fmt.Sprintf(`INSERT INTO sessions (id, version, expires, data)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT 'filled' || i, randomblob(16), 9e12, zeroblob(1024) FROM n`, rows)
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		is    string
		plant func(*testing.T, string)
		finds []string
	}{
		{"well", func(*testing.T, string) {}, nil},
		{"well, and in use", func(t *testing.T, path string) {
			store, err := sqlitestore.Open(t.Context(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
		}, nil},
		{"no WAL", func(t *testing.T, path string) {
			runs(t, program(t, path), "PRAGMA journal_mode = DELETE")
		}, []string{"sqlite-wal"}},
		{"a writer without WAL", func(t *testing.T, path string) {
			runs(t, program(t, path), "PRAGMA journal_mode = PERSIST", "BEGIN EXCLUSIVE", "DELETE FROM sessions")
		}, []string{"sqlite-locked"}},
		{"a writer that does not end", func(t *testing.T, path string) {
			runs(t, program(t, path), "BEGIN IMMEDIATE")
		}, []string{"sqlite-locked"}},
		{"a reader that does not end", func(t *testing.T, path string) {
			runs(t, program(t, path), "BEGIN", "SELECT count(*) FROM sessions")
			runs(t, program(t, path), fill(10))
			if err := os.Truncate(path+"-wal", 90<<20); err != nil { // as it would become, without the writes
				t.Fatal(err)
			}
		}, []string{"sqlite-log"}},
		{"a file for everybody", func(t *testing.T, path string) { chmod(t, path, 0o644) }, []string{"sqlite-mode"}},
		{"a file that is not to be written", func(t *testing.T, path string) { chmod(t, path, 0o400) }, []string{"sqlite-rights"}},
		{"a directory that is not to be written", func(t *testing.T, path string) {
			chmod(t, filepath.Dir(path), 0o500)
			t.Cleanup(func() { os.Chmod(filepath.Dir(path), 0o700) })
		}, []string{"sqlite-rights"}},
		{"no clean-up", func(t *testing.T, path string) {
			runs(t, program(t, path), fill(2000), "UPDATE sessions SET expires = 1000 WHERE id LIKE 'filled%'")
		}, []string{"sqlite-expired"}},
		{"a damaged page", func(t *testing.T, path string) {
			runs(t, program(t, path), fill(4000), "PRAGMA wal_checkpoint(TRUNCATE)")
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.WriteAt(make([]byte, 1<<20), 2<<20); err != nil {
				t.Fatal(err)
			}
		}, []string{"sqlite-damaged"}},
		{"the file of another program", func(t *testing.T, path string) {
			runs(t, program(t, path), "DROP TABLE sessions_store")
		}, []string{"sqlite-check"}},
		{"no table", func(t *testing.T, path string) {
			runs(t, program(t, path), "DROP TABLE sessions")
		}, []string{"sqlite-check"}},
		{"a newer program's tables", func(t *testing.T, path string) {
			runs(t, program(t, path), "UPDATE sessions_store SET schema = 9")
		}, []string{"sqlite-refuses"}},
	} {
		t.Run(test.is, func(t *testing.T) {
			path := shopFile(t, onDisk(t))
			test.plant(t, path)
			r := examine(t, Options{Stores: []string{"sqlite:" + path}})
			r.finds(t, test.finds...)
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// A file in memory, one that is mostly empty, and one beside which root has left a log.
func TestSQLitePlaces(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/dev/shm", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := shopFile(t, dir)
	examine(t, Options{Stores: []string{"sqlite:" + path}}).finds(t, "sqlite-memory")

	path = shopFile(t, onDisk(t)) // /dev/shm of a container is smaller than this
	runs(t, program(t, path), fill(80000), "DELETE FROM sessions WHERE id LIKE 'filled%'", "PRAGMA wal_checkpoint(TRUNCATE)")
	examine(t, Options{Stores: []string{"sqlite:" + path}}).finds(t, "sqlite-bloat")

	path = shopFile(t, onDisk(t))
	var facts sqliteFacts
	if os.Getuid() == 0 {
		runs(t, program(t, path), "BEGIN", "SELECT count(*) FROM sessions")
		if err := os.Chown(path+"-wal", 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	facts.lookAt(path, info)
	if os.Getuid() == 0 && facts.foreign != "shop.db-wal" {
		t.Errorf("the log of another account: got %q", facts.foreign)
	}
	if facts.disk.total == 0 || facts.disk.network != "" || facts.disk.memory {
		t.Errorf("the disk: got %+v", facts.disk)
	}
}

// No disk of a test shows this, so the rules get the facts directly.
func TestRulesOfFilesThatAreNotHere(t *testing.T) {
	well := sqliteFacts{journal: "wal", disk: diskAs(0xef53, 4096, 1<<20, 2<<20)}
	for want, change := range map[string]func(*sqliteFacts){
		"":               func(*sqliteFacts) {},
		"sqlite-network": func(f *sqliteFacts) { f.disk = diskAs(0xff534d42, 4096, 1<<20, 2<<20) },
		"sqlite-memory":  func(f *sqliteFacts) { f.disk = diskAs(0x858458f6, 4096, 1, 1<<20) }, // which says nothing of its room
		"sqlite-disk":    func(f *sqliteFacts) { f.disk = diskAs(0xef53, 4096, 1<<17, 2<<20) },
		"sqlite-owner":   func(f *sqliteFacts) { f.foreign = "shop.db-wal" },
	} {
		f := well
		change(&f)
		var r Report
		judge(&r, "sqlite:shop.db", sqliteRules, f)
		if want == "" {
			r.finds(t)
			continue
		}
		r.finds(t, want)
	}
	for kind, want := range map[uint32]string{0x6969: "NFS", 0xfe534d42: "SMB", 0xef53: "", 0x01021994: ""} {
		if got := diskAs(kind, 1, 1, 1).network; got != want {
			t.Errorf("%x: got %q, want %q", kind, got, want)
		}
	}
}

// A file that is none cannot be looked at, and none is made.
func TestNoSQLite(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no database, but long enough to be looked at as one would be; "+string(make([]byte, 4096))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none"), dir, text} {
		r := examine(t, Options{Stores: []string{"sqlite:" + path}})
		if len(r.Blind) != 1 || r.Exit() != 2 {
			t.Errorf("%s: got %+v", path, r)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("the doctor has made a file")
	}
}
