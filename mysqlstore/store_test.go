package mysqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/mysqlstore"
)

func mustProbe(t testing.TB, s *mysqlstore.Store) string {
	t.Helper()
	incarnation, err := s.Probe(within(t, patience), s.Shard("x"))
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	return incarnation
}

// probeUntilMarked probes until another mark stands in the table.
func probeUntilMarked(t testing.TB, server *mariadbtest.Server, s *mysqlstore.Store) (incarnation string) {
	t.Helper()
	const marks = "SELECT GROUP_CONCAT(HEX(mark)) FROM sessions_marks"
	before := admin(t, server, marks)
	eventually(t, "a mark", func() bool {
		incarnation = mustProbe(t, s)
		return admin(t, server, marks) != before
	})
	return incarnation
}

func untilProbed(t testing.TB, s *mysqlstore.Store) (incarnation string) {
	t.Helper()
	eventually(t, "an answer", func() bool {
		var err error
		incarnation, err = s.Probe(within(t, time.Second), "mysql")
		return err == nil
	})
	return incarnation
}

func TestAnIncarnationChangesWhenDataMayBeLost(t *testing.T) {
	durable, fast := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=1"), mariadbtest.Start(t)
	for _, tt := range []struct {
		is      string
		server  *mariadbtest.Server
		happens func(t *testing.T, server *mariadbtest.Server, s *mysqlstore.Store)
		changes bool
	}{
		{"an older state is one", durable, func(t *testing.T, server *mariadbtest.Server, s *mysqlstore.Store) {
			backUp(t, server, "sessions")
			probeUntilMarked(t, server, s)
			probeUntilMarked(t, server, s) // the store knows that the first mark was written
			restore(t, server, "sessions")
		}, true},
		{"a truncated table of marks is one", durable, func(t *testing.T, server *mariadbtest.Server, _ *mysqlstore.Store) {
			admin(t, server, "TRUNCATE sessions_marks")
		}, true},
		{"a database that was dropped and made anew is one", durable, func(t *testing.T, server *mariadbtest.Server, _ *mysqlstore.Store) {
			admin(t, server, "DROP DATABASE test", "CREATE DATABASE test")
			newStore(t, server, mysqlstore.Options{})
		}, true},
		{"a save is none", durable, func(t *testing.T, _ *mariadbtest.Server, s *mysqlstore.Store) {
			mustSave(t, s, "x", record("x"), session.Any)
		}, false},
		{"a crash of a server that syncs its log is none", durable, func(_ *testing.T, server *mariadbtest.Server, _ *mysqlstore.Store) {
			server.Restart()
		}, false},
		{"a crash of a server that does not is one", fast, func(t *testing.T, server *mariadbtest.Server, s *mysqlstore.Store) {
			begun := time.Now()
			eventually(t, "an uptime that can be told from another", func() bool {
				mustProbe(t, s)
				return time.Since(begun) > 3*time.Second
			})
			server.Restart()
		}, true},
		{"a server that takes no writes is none", durable, func(t *testing.T, server *mariadbtest.Server, s *mysqlstore.Store) {
			admin(t, server, "SET GLOBAL read_only = 1")
			defer admin(t, server, "SET GLOBAL read_only = 0")
			for range 3 {
				mustProbe(t, s)
			}
		}, false},
		{"another server_id is one", durable, func(t *testing.T, server *mariadbtest.Server, _ *mysqlstore.Store) {
			admin(t, server, "SET GLOBAL server_id = 4711")
		}, true},
	} {
		t.Run(tt.is, func(t *testing.T) {
			s := newStore(t, tt.server, mysqlstore.Options{})
			before := probeUntilMarked(t, tt.server, s)
			probeUntilMarked(t, tt.server, s)
			tt.happens(t, tt.server, s)
			after := untilProbed(t, s)
			if changed := after != before; changed != tt.changes {
				t.Errorf("got %q after %q: changed %v, want %v", after, before, changed, tt.changes)
			}
			if again := probeUntilMarked(t, tt.server, s); again != after {
				t.Errorf("later: got %q after %q", again, after)
			}
		})
	}
}

func TestTheTablesAreAsTheSchemaSays(t *testing.T) {
	server := mariadbtest.Start(t)
	newStore(t, server, mysqlstore.Options{})
	for question, want := range map[string]string{
		"SELECT CONCAT_WS(' ', ENGINE, ROW_FORMAT) FROM information_schema.TABLES WHERE TABLE_NAME = 'sessions'":     "InnoDB Dynamic",
		"SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME = 'sessions' AND COLUMN_NAME = 'id'": "ascii_bin",
		"SELECT schema_version FROM sessions_store":                                                                  "1",
	} {
		if got := admin(t, server, question); got != want {
			t.Errorf("%s: got %q, want %q", question, got, want)
		}
	}
	admin(t, server, "CREATE DATABASE own", "USE own")
	own := configOf(server)
	own.DBName, own.MultiStatements = "own", true
	db, err := sql.Open("mysql", own.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), mysqlstore.Schema); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, server, mysqlstore.Options{}, func(c *mysql.Config) { c.DBName = "own" })
	mustSave(t, s, "x", record("x"), session.Absent)
	mustLoad(t, s, "x")
}

func TestOpenRefuses(t *testing.T) {
	server := mariadbtest.Start(t, "--max-allowed-packet=4M")
	newStore(t, server, mysqlstore.Options{Table: "newer", MaxRecord: 1 << 20})
	admin(t, server, "UPDATE newer_store SET schema_version = 2")
	newStore(t, server, mysqlstore.Options{Table: "slow", MaxRecord: 1 << 20})
	admin(t, server, "ALTER TABLE slow ENGINE = Aria")
	for _, tt := range []struct {
		what    string
		options mysqlstore.Options
		change  func(*mysql.Config)
		says    string
	}{
		{"a newer schema", mysqlstore.Options{Table: "newer", MaxRecord: 1 << 20}, nil, "version 2"},
		{"an engine without transactions", mysqlstore.Options{Table: "slow", MaxRecord: 1 << 20}, nil, "InnoDB"},
		{"a packet that is too small", mysqlstore.Options{}, nil, "max_allowed_packet is 4194304"},
		{"a table that is no name", mysqlstore.Options{Table: "x; DROP TABLE y"}, nil, "Options.Table"},
		{"fewer connections than none", mysqlstore.Options{Conns: -1}, nil, "Options.Conns"},
		{"no such database", mysqlstore.Options{}, func(c *mysql.Config) { c.DBName = "nowhere" }, "nowhere"},
	} {
		config := configOf(server)
		if tt.change != nil {
			tt.change(config)
		}
		s, err := mysqlstore.Open(within(t, patience), config, &tt.options)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error with %q", tt.what, err, tt.says)
		}
	}
}

func TestOpenRefusesANilConfig(t *testing.T) {
	if _, err := mysqlstore.Open(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "the mysql.Config is nil") {
		t.Errorf("got %v", err)
	}
}

// The store sets what it relies on, whatever the server and the caller's config say.
func TestAServerAndAConfigWithOtherDefaults(t *testing.T) {
	server := mariadbtest.Start(t, "--transaction-isolation=SERIALIZABLE", "--autocommit=0", "--sql-mode=NO_BACKSLASH_ESCAPES",
		"--default-time-zone=-05:00", "--default-storage-engine=Aria", "--character-set-server=latin1")
	s := newStore(t, server, mysqlstore.Options{}, func(c *mysql.Config) {
		c.ClientFoundRows = true
		c.ParseTime = true
		c.InterpolateParams = false
	})
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	all := session.Record{Data: every, Expires: time.Now().Add(time.Hour)}
	v := mustSave(t, s, "x", all, session.Absent)
	if _, err := s.Save(t.Context(), "x", record("late"), session.Absent); !errors.Is(err, session.ErrConflict) {
		t.Errorf("a second create: got %v, want ErrConflict", err)
	}
	if _, err := s.Save(t.Context(), "x", record("late"), session.Version{1}); !errors.Is(err, session.ErrConflict) {
		t.Errorf("a save over another version: got %v, want ErrConflict", err)
	}
	if r := mustLoad(t, s, "x"); string(r.Data) != string(every) || r.Version != v {
		t.Errorf("got %q", r.Data)
	}
	if again := mustLoad(t, newStore(t, server, mysqlstore.Options{}), "x"); again.Version != v {
		t.Error("what was saved was not committed")
	}
}

func TestExpiredRecordsAreDeletedByOneProcessAtATime(t *testing.T) {
	server := mariadbtest.Start(t)
	fill := newStore(t, server, mysqlstore.Options{CleanEvery: -1})
	const n = 1200
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
	const count = "SELECT COUNT(*) FROM sessions"
	if got := admin(t, server, count); got != fmt.Sprint(n+1) {
		t.Fatalf("got %s records before, want %d", got, n+1)
	}
	eventually(t, "the end of the last ones", func() bool {
		return admin(t, server, "SELECT COUNT(*) FROM sessions WHERE expires > UTC_TIMESTAMP(3)") == "1"
	})
	if deleted, err := fill.Clean(t.Context()); err != nil || deleted != n {
		t.Errorf("Clean: got %d, %v, want %d", deleted, err, n)
	}
	r := record("short")
	r.Expires = time.Now().Add(time.Millisecond)
	mustSave(t, fill, "one more", r, session.Absent)
	for range 3 {
		newStore(t, server, mysqlstore.Options{CleanEvery: 100 * time.Millisecond})
	}
	eventually(t, "the clean-up", func() bool { return admin(t, server, count) == "1" })
	mustLoad(t, fill, "long")
	if admin(t, server, "SELECT cleaned > '2001-01-01' FROM sessions_store") != "1" {
		t.Error("no process has taken its turn")
	}
}

// Records of one index page, made, changed and deleted at the same time: no save fails
// because of a deadlock.
func TestSavesDuringACleanUp(t *testing.T) {
	server := mariadbtest.Start(t)
	s := newStore(t, server, mysqlstore.Options{CleanEvery: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Clean(within(t, patience)); err != nil {
					t.Errorf("Clean: %v", err)
				}
			}
		})
	}
	saves := 0
	var mu sync.Mutex
	for w := range 12 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				r := record("short")
				r.Expires = time.Now().Add(time.Duration(1+i%3) * time.Millisecond)
				id := session.ID(fmt.Sprintf("%d", (w+i)%7))
				v, err := s.Save(within(t, patience), id, r, session.Absent)
				if err == nil {
					_, err = s.Save(within(t, patience), id, r, v)
				}
				if err != nil && !errors.Is(err, session.ErrConflict) {
					t.Errorf("Save: %v", err)
				}
				mu.Lock()
				saves++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	deadlocks := admin(t, server, "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
	t.Logf("%d rounds of two saves, %s deadlocks", saves, deadlocks)
}

func TestAClosedStoreAnswersNothing(t *testing.T) {
	server := mariadbtest.Start(t)
	s := newStore(t, server, mysqlstore.Options{})
	mustSave(t, s, "x", record("x"), session.Any)
	mustProbe(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "x"); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load: got %v", err)
	}
	if _, err := s.Save(t.Context(), "x", record("y"), session.Any); err == nil {
		t.Error("Save: got no error")
	}
	if _, err := s.Probe(t.Context(), "mysql"); err == nil {
		t.Error("Probe: got no error")
	}
	eventually(t, "this test's own connection alone", func() bool {
		return admin(t, server, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'root'") == "1"
	})
}
