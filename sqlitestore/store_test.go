package sqlitestore_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sqlitestore"
)

func init() { roles["fill"] = fillUp }

func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

func TestAClosedStoreLeavesOneFileAndAnswersNothing(t *testing.T) {
	p := newPlace(t)
	s := p.openWith(t, sqlitestore.Options{})
	mustSave(t, s, "x", record("x"), session.Any)
	mustProbe(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(p.dir + "/*"); len(names) != 1 || names[0] != p.path {
		t.Errorf("got %q after Close, want the file alone", names)
	}
	info, err := os.Stat(p.path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("others may read the sessions: mode %v", got)
	}
	if _, err := s.Load(t.Context(), "x"); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load after Close: got %v", err)
	}
	if _, err := s.Save(t.Context(), "x", record("y"), session.Any); err == nil {
		t.Error("Save after Close: got no error")
	}
	if _, err := s.Probe(t.Context(), "sqlite"); err == nil {
		t.Error("Probe after Close: got no error")
	}
	if _, err := s.Clean(t.Context()); err == nil {
		t.Error("Clean after Close: got no error")
	}
}

func TestOpenRefuses(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	query(t, foreign, "CREATE TABLE sessions (id INTEGER)")
	newer := filepath.Join(t.TempDir(), "newer.db")
	s, err := sqlitestore.Open(t.Context(), newer, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	query(t, newer, "UPDATE sessions_store SET schema = 2")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what, path string
		options    sqlitestore.Options
		says       string
	}{
		{"memory", ":memory:", sqlitestore.Options{}, "memstore"},
		{"no path", "", sqlitestore.Options{}, "memstore"},
		{"a directory that is not there", "/nowhere/shop.db", sqlitestore.Options{}, "/nowhere/shop.db"},
		{"a directory", t.TempDir(), sqlitestore.Options{}, "it is a directory"},
		{"a table of another program", foreign, sqlitestore.Options{}, "Options.Table"},
		{"a newer schema", newer, sqlitestore.Options{}, "version 2"},
		{"a file of another kind", text, sqlitestore.Options{}, "not a database"},
		{"a table that is no name", foreign, sqlitestore.Options{Table: "x; DROP TABLE y"}, "Options.Table"},
		{"fewer readers than none", foreign, sqlitestore.Options{Readers: -1}, "Options.Readers"},
	} {
		s, err := sqlitestore.Open(within(t, patience), tt.path, &tt.options)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error with %q", tt.what, err, tt.says)
		}
	}
	beside, err := sqlitestore.Open(t.Context(), foreign, &sqlitestore.Options{Table: "visitors"})
	if err != nil {
		t.Fatalf("beside the table of another program, under another name: %v", err)
	}
	beside.Close()
}

func TestTheSchemaIsWhatOpenMakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), sqlitestore.Schema); err != nil {
		t.Fatal(err)
	}
	db.Close()
	s, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustSave(t, s, "x", record("x"), session.Absent)
	mustLoad(t, s, "x")
}

func TestTwoTablesInAFileAreTwoStores(t *testing.T) {
	p := newPlace(t)
	one, two := p.openWith(t, sqlitestore.Options{Table: "a"}), p.openWith(t, sqlitestore.Options{Table: "b"})
	mustSave(t, one, "x", record("of a"), session.Absent)
	mustSave(t, two, "x", record("of b"), session.Absent)
	if got := string(mustLoad(t, one, "x").Data); got != "of a" {
		t.Errorf("got %q", got)
	}
}

func TestExpiredRecordsAreDeletedByOneProcessAtATime(t *testing.T) {
	p := newPlace(t)
	const n = 1000
	fill := p.openWith(t, sqlitestore.Options{LosesOnPowerFailure: true, CleanEvery: -1})
	var all sync.WaitGroup
	for w := range 10 {
		all.Go(func() {
			for i := range n / 10 {
				r := record("short")
				r.Expires = time.Now().Add(time.Millisecond)
				mustSave(t, fill, session.ID(fmt.Sprintf("%d-%d", w, i)), r, session.Absent)
			}
		})
	}
	all.Wait()
	mustSave(t, fill, "long", record("long"), session.Absent)
	if got := query(t, p.path, "SELECT count(*) FROM sessions"); got != fmt.Sprint(n+1) {
		t.Fatalf("got %s records before, want %d", got, n+1)
	}
	for range 3 {
		p.openWith(t, sqlitestore.Options{LosesOnPowerFailure: true, CleanEvery: 100 * time.Millisecond})
	}
	eventually(t, "the clean-up", func() bool { return query(t, p.path, "SELECT count(*) FROM sessions") == "1" })
	mustLoad(t, fill, "long")
	if query(t, p.path, "SELECT cleaned FROM sessions_store") == "0" {
		t.Error("no process has taken its turn")
	}
}

func TestCleanSaysHowManyItDeleted(t *testing.T) {
	s := newPlace(t).openWith(t, sqlitestore.Options{LosesOnPowerFailure: true, CleanEvery: -1})
	for i := range 450 {
		r := record("short")
		r.Expires = time.Now().Add(time.Millisecond)
		mustSave(t, s, session.ID(fmt.Sprint(i)), r, session.Absent)
	}
	mustSave(t, s, "long", record("long"), session.Any)
	eventually(t, "the end of the last one", func() bool {
		_, err := s.Load(t.Context(), "449")
		return errors.Is(err, session.ErrNotFound)
	})
	if n, err := s.Clean(t.Context()); err != nil || n != 450 {
		t.Errorf("got %d, %v, want 450", n, err)
	}
	if n, err := s.Clean(t.Context()); err != nil || n != 0 {
		t.Errorf("again: got %d, %v, want 0", n, err)
	}
}

func TestARecordThatIsTooLargeIsNotWritten(t *testing.T) {
	s := newPlace(t).open(t)
	v := mustSave(t, s, "x", record("x"), session.Any)
	huge := session.Record{Data: make([]byte, 1_000_000_000), Expires: time.Now().Add(time.Hour)} // never touched
	if _, err := s.Save(t.Context(), "x", huge, v); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if r := mustLoad(t, s, "x"); r.Version != v {
		t.Error("the record of before is gone")
	}
}

// fillUp saves until the file may not grow any more, and looks what is there then.
func fillUp(path string, _ *bufio.Scanner) {
	s := mustOpen(path)
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	saved, failed := 0, 0
	var why error
	for i := range 400 {
		if _, err := s.Save(ctx, session.ID(fmt.Sprint(i)), record(strings.Repeat("x", 20_000)), session.Absent); err == nil {
			saved++
		} else {
			failed++
			why = err
		}
	}
	there := 0
	for i := range 400 {
		if r, err := s.Load(ctx, session.ID(fmt.Sprint(i))); err == nil && len(r.Data) == 20_000 {
			there++
		}
	}
	isOwn := why != nil && !errors.Is(why, session.ErrConflict) && !errors.Is(why, session.ErrNotFound)
	fmt.Println(saved, there, failed, isOwn, why)
}

func TestAFullDiskRefusesSavesAndLosesNothing(t *testing.T) {
	p := newPlace(t)
	full := start(t, "fill", p.path)
	if !full.out.Scan() {
		t.Fatal("the process has ended")
	}
	var saved, there, failed int
	var isOwn bool
	if _, err := fmt.Sscan(full.out.Text(), &saved, &there, &failed, &isOwn); err != nil {
		t.Fatalf("%s: %v", full.out.Text(), err)
	}
	t.Log(full.out.Text())
	if saved == 0 || failed == 0 || !isOwn {
		t.Errorf("got %d saves, %d refused, an error of the store's own: %v", saved, failed, isOwn)
	}
	if there != saved {
		t.Errorf("got %d records of %d that were saved", there, saved)
	}
}

// Saves that wait together are committed together: they are not one sync each.
func TestSavesThatWaitShareATransaction(t *testing.T) {
	p := newPlace(t)
	s := p.openWith(t, sqlitestore.Options{})
	p.freezeWrites(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { mustSave(t, s, session.ID(fmt.Sprint(i)), record("x"), session.Absent) })
	}
	time.Sleep(100 * time.Millisecond) // some wait for the lock by then, or the test shows less
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := s.Save(ctx, "left", record("x"), session.Absent)
		left <- err
	}()
	time.Sleep(100 * time.Millisecond) // all wait by then, or the test shows less
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: got %v", err)
	}
	began := time.Now()
	p.thaw(t)
	all.Wait()
	t.Logf("100 saves that waited for a lock took %v", time.Since(began))
	if _, err := s.Load(t.Context(), "left"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the save of a caller that had left before it began: got %v, want ErrNotFound", err)
	}
}
