package sqlitestore_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sqlitestore"
)

func mustProbe(t testing.TB, s *sqlitestore.Store) string {
	t.Helper()
	incarnation, err := s.Probe(within(t, patience), s.Shard("x"))
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	return incarnation
}

// probeUntilMarked probes until the mark of an earlier probe stands in the file.
func probeUntilMarked(t testing.TB, p *place, s *sqlitestore.Store) (incarnation string) {
	t.Helper()
	before := query(t, p.path, "SELECT group_concat(hex(mark)) FROM sessions_marks")
	eventually(t, "a mark", func() bool {
		incarnation = mustProbe(t, s)
		return query(t, p.path, "SELECT group_concat(hex(mark)) FROM sessions_marks") != before
	})
	return incarnation
}

// backUp makes a copy of the file while it is used.
func backUp(t testing.TB, p *place) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "backup.db")
	query(t, p.path, "VACUUM INTO '"+path+"'")
	return path
}

// restore puts a backup into the file in place, as .restore of the program sqlite3 does.
func restore(t testing.TB, p *place, backup string) {
	t.Helper()
	db, err := sql.Open("sqlite", p.path+"-unused")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from, err := sql.Open("sqlite", backup)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	source, err := from.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	err = source.Raw(func(driver any) error {
		b, err := driver.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		}).NewBackup(uri(p.path))
		if err != nil {
			return err
		}
		eventually(t, "the restore", func() bool {
			var more bool
			more, err = b.Step(-1)
			return !more && err == nil
		})
		return errors.Join(err, b.Finish())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnIncarnationChangesWhenDataMayBeLost(t *testing.T) {
	for _, tt := range []struct {
		is      string
		happens func(t *testing.T, p *place, s *sqlitestore.Store)
		changes bool
	}{
		{"a new file renamed over it is a change", func(t *testing.T, p *place, _ *sqlitestore.Store) { p.empty(t) }, true},
		{"a copy of itself renamed over it is one", func(t *testing.T, p *place, _ *sqlitestore.Store) {
			mustRename(t, backUp(t, p), p.path)
		}, true},
		{"an older state restored in place is one", func(t *testing.T, p *place, s *sqlitestore.Store) {
			backup := backUp(t, p)
			probeUntilMarked(t, p, s)
			probeUntilMarked(t, p, s) // the store knows that the first mark was written
			restore(t, p, backup)
		}, true},
		{"a state of before the first probe restored in place is one", func(t *testing.T, p *place, s *sqlitestore.Store) {
			backup := backUp(t, p)
			without, err := sql.Open("sqlite", backup)
			if err != nil {
				t.Fatal(err)
			}
			defer without.Close()
			if _, err := without.ExecContext(t.Context(), "DELETE FROM sessions_marks"); err != nil {
				t.Fatal(err)
			}
			restore(t, p, backup)
		}, true},
		{"a save is none", func(t *testing.T, _ *place, s *sqlitestore.Store) {
			mustSave(t, s, "x", record("x"), session.Any)
		}, false},
		{"a directory that was away for a moment is none", func(t *testing.T, p *place, s *sqlitestore.Store) {
			p.down(t)
			if _, err := s.Probe(within(t, patience), "sqlite"); err == nil || !strings.Contains(err.Error(), "gone") {
				t.Errorf("Probe without a file: got %v, want an error that says so", err)
			}
			p.up(t)
		}, false},
		{"another process that reads and writes is none", func(t *testing.T, p *place, _ *sqlitestore.Store) {
			other := p.open(t)
			mustSave(t, other, "x", record("x"), session.Any)
			probeUntilMarked(t, p, other)
		}, false},
		{"marks that cannot be written are none", func(t *testing.T, p *place, s *sqlitestore.Store) {
			p.freezeWrites(t)
			for range 3 {
				mustProbe(t, s)
			}
			p.thaw(t)
			probeUntilMarked(t, p, s)
		}, false},
	} {
		t.Run(tt.is, func(t *testing.T) {
			p := newPlace(t)
			s := p.open(t)
			before := probeUntilMarked(t, p, s)
			probeUntilMarked(t, p, s)
			tt.happens(t, p, s)
			after := mustProbe(t, s)
			if changed := after != before; changed != tt.changes {
				t.Errorf("got %q after %q: changed %v, want %v", after, before, changed, tt.changes)
			}
			if again := probeUntilMarked(t, p, s); again != after {
				t.Errorf("later: got %q after %q", again, after)
			}
		})
	}
}

func TestProcessesAgreeOnTheIncarnation(t *testing.T) {
	p := newPlace(t)
	if one, two := mustProbe(t, p.open(t)), mustProbe(t, p.open(t)); one != two {
		t.Errorf("got %q and %q of two stores on a file", one, two)
	}
}

// A file that is renamed away keeps what the log had of it, and nothing of the log gets
// into the file that takes its place, whichever process notices first.
func TestAReplacedFileIsNotMixedWithTheOldLog(t *testing.T) {
	p := newPlace(t)
	one, two := p.open(t), p.open(t)
	v := mustSave(t, one, "x", record("old"), session.Any)
	mustLoad(t, two, "x")
	// A reader of the old file keeps its log from being emptied.
	reader, err := sql.Open("sqlite", uri(p.path))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	reads, err := reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reads.Rollback() }()
	var n int
	if err := reads.QueryRowContext(t.Context(), "SELECT count(*) FROM sessions").Scan(&n); err != nil {
		t.Fatal(err)
	}
	old := p.path + ".old"
	mustRename(t, p.path, old)
	if _, err := one.Load(t.Context(), "x"); err == nil || errors.Is(err, session.ErrNotFound) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load while there is no file: got %v, want an error that says so", err)
	}
	p.empty(t)
	for _, s := range []*sqlitestore.Store{one, two, one} {
		if r, err := s.Load(t.Context(), "x"); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Load from the new file: got %q, %v", r.Data, err)
		}
		if _, err := s.Save(t.Context(), "x", record("late"), v); !errors.Is(err, session.ErrConflict) {
			t.Errorf("Save into the new file over a version of the old one: got %v", err)
		}
	}
	mustSave(t, two, "x", record("new"), session.Absent)
	if got := string(mustLoad(t, one, "x").Data); got != "new" {
		t.Errorf("got %q of the other store's save", got)
	}
	if got := query(t, p.path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("the new file: %s", got)
	}
	if got := query(t, old, "SELECT CAST(data AS TEXT) FROM sessions WHERE id = 'x'"); got != "old" {
		t.Errorf("the old file has %q, want what was in its log", got)
	}
}

func TestALoadIsNotHeldUpWhileAFileIsReplacedByAnotherProcess(t *testing.T) {
	p := newPlace(t)
	s := p.open(t)
	mustSave(t, s, "x", record("x"), session.Any)
	p.empty(t)
	d, err := os.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := flock(d); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = s.Load(t.Context(), "x")
	if took := time.Since(began); err == nil || errors.Is(err, session.ErrNotFound) || took > 5*time.Second {
		t.Errorf("while another process replaces the file: got %v after %v, want an error at once", err, took)
	}
	_ = d.Close()
	if _, err := s.Load(t.Context(), "x"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("afterwards: got %v, want ErrNotFound", err)
	}
}
