package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/redisstore"
)

var _ session.Prober = (*redisstore.Store)(nil)

func mustProbe(t testing.TB, s *redisstore.Store, id session.ID) string {
	t.Helper()
	incarnation, err := s.Probe(within(t, patience), s.Shard(id))
	if err != nil {
		t.Fatalf("Probe(%q): %v", s.Shard(id), err)
	}
	if run, replication, _ := strings.Cut(incarnation, "/"); len(run) != 40 || len(replication) != 40 {
		t.Fatalf("Probe(%q): got %q, want two names of forty characters", s.Shard(id), incarnation)
	}
	return incarnation
}

func TestAnIncarnationChangesWhenMemoryMayBeLost(t *testing.T) {
	tests := []struct {
		is      string
		happens func(t *testing.T, srv *redistest.Server)
		changes bool
	}{
		{"a restart is a change", func(_ *testing.T, srv *redistest.Server) { srv.Restart() }, true},
		{"a replica that becomes the primary is one", func(_ *testing.T, srv *redistest.Server) {
			srv.Command("REPLICAOF", "127.0.0.1", "1")
			srv.Command("REPLICAOF", "NO", "ONE")
		}, true},
		{"FLUSHALL is none", func(_ *testing.T, srv *redistest.Server) { srv.Flush() }, false},
		{"a write is none", func(_ *testing.T, srv *redistest.Server) { srv.Command("SET", "a", "b") }, false},
		{"a first replica is one, though nothing is lost", follow, true},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			srv := redistest.Start(t, "--repl-diskless-sync-delay", "0")
			s := newStore(t, srv)
			before := mustProbe(t, s, "x")
			if again := mustProbe(t, newStore(t, srv), "x"); again != before {
				t.Errorf("another client: got %q, want %q", again, before)
			}
			tt.happens(t, srv)
			var after string
			eventually(t, "an answer", func() (ok bool) {
				var err error
				after, err = s.Probe(within(t, time.Second), s.Shard("x"))
				return err == nil
			})
			if changed := after != before; changed != tt.changes {
				t.Errorf("got %q after %q: changed %v, want %v", after, before, changed, tt.changes)
			}
		})
	}
}

// follow starts a replica.
func follow(t *testing.T, srv *redistest.Server) {
	t.Helper()
	host, port, _ := net.SplitHostPort(srv.Addr())
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	eventually(t, "the replica follows", func() bool {
		return strings.Contains(replica.Command("INFO", "replication"), "master_link_status:up")
	})
}

func TestAnotherReplicaLeavesTheIncarnation(t *testing.T) {
	srv := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	s := newStore(t, srv)
	follow(t, srv)
	before := mustProbe(t, s, "x")
	follow(t, srv)
	if after := mustProbe(t, s, "x"); after != before {
		t.Errorf("got %q after %q, want no change", after, before)
	}
}

func TestAProbeIsOneCommand(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	mustProbe(t, s, "x")
	srv.Reset()
	before := infos(srv)
	mustProbe(t, s, "x")
	if got := infos(srv) - before; got != 2 { // one is our own
		t.Errorf("got %d INFO, want one and that of this test", got)
	}
	if calls := srv.Calls(t); len(calls) != 0 {
		t.Errorf("got %v besides INFO, want nothing", calls)
	}
}

// infos is how many INFO there were.
func infos(srv *redistest.Server) (n int) {
	_, stats, _ := strings.Cut(srv.Command("INFO", "commandstats"), "cmdstat_info:calls=")
	fmt.Sscan(strings.SplitN(stats, ",", 2)[0], &n)
	return n
}

func TestAProbeOfWhatDoesNotServeIsAnError(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	mustProbe(t, s, "x")
	shard := s.Shard("x")

	if _, err := s.Probe(t.Context(), "0-5460"); err == nil || !strings.Contains(err.Error(), `"0-5460"`) {
		t.Errorf("an unknown shard: got %v, want an error that names it", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Probe(canceled, shard); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v, want context.Canceled", err)
	}

	srv.Command("REPLICAOF", "127.0.0.1", "1")
	if _, err := s.Probe(within(t, patience), shard); err == nil || !strings.Contains(err.Error(), "replica") {
		t.Errorf("a replica: got %v, want an error that says so", err)
	}
	srv.Command("REPLICAOF", "NO", "ONE")
	mustProbe(t, s, "x")

	srv.Freeze()
	for range 3 {
		best := patience // of some, as this machine may be busy
		for n := 0; n < 20 && best > time.Second; n++ {
			began := time.Now()
			_, err := s.Probe(within(t, 50*time.Millisecond), shard)
			if !errors.Is(err, errDeadline) {
				t.Errorf("a frozen server: got %v, want the deadline's error", err)
			}
			best = min(best, time.Since(began))
		}
		if best > time.Second {
			t.Errorf("a frozen server: the deadline's error came after %v, want it after 50 ms", best)
		}
	}
	srv.Thaw()
	eventually(t, "an answer after the thaw", func() bool {
		_, err := s.Probe(within(t, 100*time.Millisecond), shard)
		return err == nil
	})

	srv.Kill()
	for range 3 {
		if _, err := s.Probe(within(t, patience), shard); err == nil || errors.Is(err, errDeadline) {
			t.Errorf("a killed server: got %v, want an error at once", err)
		}
	}
}

func TestAServerThatIsLoadingDoesNotServe(t *testing.T) {
	srv := redistest.Start(t, "--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024")
	s := newStore(t, srv)
	for i := range 20 {
		srv.Command("SET", fmt.Sprint("key", i), strings.Repeat("0123456789", 500), "PX", "1000000")
	}
	srv.Command("CONFIG", "SET", "rdbcompression", "no")
	srv.Command("SAVE")
	told := false
	for over := timeleft.Half(t); !told && !over(); { // a busy machine may not ask before all is loaded
		srv.Restart()
		eventually(t, "the server has loaded its data", func() bool {
			_, err := s.Probe(within(t, patience), s.Shard("x"))
			told = told || err != nil && strings.Contains(err.Error(), "loading")
			return err == nil
		})
	}
	if !told {
		t.Error("no probe said that the server is loading")
	}
}
