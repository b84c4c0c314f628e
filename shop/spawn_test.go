package main

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAServerThatIsNotInstalledIsAClearError(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for address, command := range map[string]string{"spawn:redis": "apt-get install redis-server", "spawn:memcached": "apt-get install memcached"} {
		_, err := open(t.Context(), address, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), command) || !strings.Contains(err.Error(), "-store "+address) {
			t.Errorf("%s: got %v, want %q", address, err, command)
		}
	}
}

func TestASpawnedRedisReadsNoFileOfOthers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), []byte("what another Redis has left here"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), "spawn:redis", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.close()
}

func TestASpawnedServerEndsWithTheShop(t *testing.T) {
	for _, address := range []string{"spawn:redis", "spawn:memcached"} {
		for _, last := range []string{"", "/store/freeze", "/store/kill"} {
			best := time.Minute // of some, as this machine may be busy
			for n := 0; n < 5 && best > 3*time.Second; n++ {
				best = min(best, closing(t, address, last))
			}
			if best > 3*time.Second {
				t.Errorf("%s after %s: it took %v to close", address, last, best)
			}
		}
	}
}

// closing opens the shop with a server of its own, lets last happen, and returns how long the
// shop takes to close, with which the server ends.
func closing(t *testing.T, address, last string) time.Duration {
	t.Helper()
	s := start(t, "-addr", "127.0.0.1:0", "-store", address, "-shoppers", "2")
	_, server, ok := strings.Cut(strings.TrimSuffix(s.line, ")\n"), " at ")
	if !ok {
		t.Fatalf("got %q, want the server's address", s.line)
	}
	if last != "" {
		w, err := http.PostForm(s.url+last, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
	}
	began := time.Now()
	if exit := s.stop(t); exit != 0 {
		t.Errorf("%s after %s: got exit status %d: %s", address, last, exit, s.stderr.String())
	}
	took := time.Since(began)
	if c, err := net.Dial("tcp", server); err == nil {
		c.Close()
		t.Errorf("%s after %s: the server is still there", address, last)
	}
	return took
}

func TestAServerThatOthersKillIsSeenAsDead(t *testing.T) {
	s := openLive(t, "spawn:memcached")
	p := s.process.(*spawned)
	if err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait("it to be dead", 30*time.Second, func() bool { return p.condition() == dead })
	if err := p.back(); err != nil {
		t.Fatal(err)
	}
	if got := p.condition(); got != running {
		t.Errorf("it is %s, want running", got)
	}
}

// On a busy machine a server needs longer than one that is there needs to answer.
func TestAServerOfTheShopsOwnHasTimeToComeUp(t *testing.T) {
	patient := patienceAtStart
	patienceAtStart = time.Nanosecond
	t.Cleanup(func() { patienceAtStart = patient })
	p, err := spawn(t.Context(), servers["memcached"])
	if err != nil {
		t.Fatal(err)
	}
	p.close()
}
