package sqltest_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/storetest"
	"github.com/holdfast-go/session/storetest/sqltest"
)

const pool = 20

// postgres is a server of the test's own, behind a proxy that counts
// connections and can hold what passes: SIGSTOP would not reach the children
// that serve them.
type postgres struct {
	url      string
	accepted atomic.Int64

	mu     sync.Mutex
	thawed chan struct{} // closed while what comes passes
}

func (p *postgres) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thawed = make(chan struct{})
}

func (p *postgres) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.thawed)
}

func (p *postgres) wait() {
	p.mu.Lock()
	thawed := p.thawed
	p.mu.Unlock()
	<-thawed
}

func program(t testing.TB, name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Fatalf("%s is not installed; run scripts/setup postgresql, as make test does", name)
	}
	return found[len(found)-1]
}

func startPostgres(t testing.TB) *postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // as whom PostgreSQL does not run
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(program(t, name), args...)
		cmd.SysProcAttr, cmd.Dir = attributes, dir
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "-N").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	server := command("postgres", "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=300")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGQUIT) // ends its children too
		_ = server.Wait()
	})

	p := &postgres{thawed: make(chan struct{})}
	close(p.thawed)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	p.url = "postgres://test@" + p.proxy(t, address) + "/postgres?sslmode=disable"
	db := p.open(t, pool)
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, err = db.ExecContext(t.Context(), sqltest.Schema); err == nil {
			return p
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("PostgreSQL does not answer: %v", err)
		}
	}
}

// proxy passes connections on to address, but nothing while p is frozen.
func (p *postgres) proxy(t testing.TB, address string) string {
	t.Helper()
	wait := func(b []byte) []byte { p.wait(); return b }
	return relay.Relay{Accepted: func() { p.accepted.Add(1) }, Up: wait, Down: wait}.Start(t, address)
}

func (p *postgres) open(t testing.TB, conns int) *sql.DB {
	db, err := sql.Open("pgx", p.url)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	t.Cleanup(func() { db.Close() })
	return db
}

// store is on an empty table.
func (p *postgres) store(t testing.TB, calls bool) *sqltest.Store {
	s := &sqltest.Store{DB: p.open(t, pool)}
	if calls {
		s.Calls = background.New(pool, 5*time.Second)
		t.Cleanup(s.Calls.Close)
	}
	return s
}

func TestAStoreOnSQLKeepsTheContract(t *testing.T) {
	p := startPostgres(t)
	open := func(t testing.TB) session.Store { return p.store(t, true) }
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) session.Store {
			s := p.store(t, true)
			if _, err := s.DB.ExecContext(t.Context(), "TRUNCATE sessions"); err != nil {
				t.Fatal(err)
			}
			return s
		},
		Again:       open,
		Freeze:      func(testing.TB) { p.freeze() },
		Thaw:        func(testing.TB) { p.thaw() },
		Connections: func(testing.TB) int { return int(p.accepted.Load()) },
	})
}

// What the wrapper is for: the same store without it passes everything but the
// cases of callers who leave.
func TestWithoutTheBackgroundCallersWhoLeaveCostConnections(t *testing.T) {
	p := startPostgres(t)
	type result struct {
		answered, connections int
	}
	measure := func(calls bool) (r result) {
		s := p.store(t, calls)
		v, err := s.Save(t.Context(), "x", session.Record{Data: make([]byte, 300), Expires: time.Now().Add(time.Hour)}, session.Any)
		if err != nil {
			t.Fatal(err)
		}
		load := func(budget time.Duration) int {
			var answered atomic.Int64
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), budget)
					defer cancel()
					if r, err := s.Load(ctx, "x"); err == nil && r.Version == v {
						answered.Add(1)
					}
				})
			}
			all.Wait()
			return int(answered.Load())
		}
		for range 3 {
			load(20 * time.Second)
		}
		before := p.accepted.Load()
		p.freeze()
		for range 3 {
			load(50 * time.Millisecond)
		}
		p.thaw()
		for range 10 {
			r.answered += load(100 * time.Millisecond)
		}
		r.connections = int(p.accepted.Load() - before)
		return r
	}
	without, with := measure(false), measure(true)
	t.Logf("of 1000 loads after a server was frozen for 150 ms: without background %d answered, %d connections more; with it %d, %d",
		without.answered, without.connections, with.answered, with.connections)
	if without.connections == 0 {
		t.Error("without background no connection was lost: this test shows nothing")
	}
	if with.connections != 0 {
		t.Errorf("with background: got %d connections more, want none", with.connections)
	}
	if with.answered < without.answered/2 {
		t.Errorf("with background %d of 1000 were answered, without it %d", with.answered, without.answered)
	}
}
