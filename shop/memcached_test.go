package main

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

func TestTheShopOutlivesItsMemcached(t *testing.T) {
	servers := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t)}
	addresses := "memcached://" + servers[0].Addr + "," + servers[1].Addr
	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-no-backup", "-store", addresses)
	if want := "(store " + addresses + ")\n"; !strings.HasSuffix(s.line, want) {
		t.Errorf("got %q, want the end %q", s.line, want)
	}
	visitors := make([]*process, 30)
	for i := range visitors {
		visitors[i] = s.visitor(t)
		visitors[i].eventually(t, "/user", http.StatusOK)
		visitors[i].eventually(t, "/user/readonly", http.StatusOK)
	}

	servers[1].Kill()
	var refused []*process // those whose sessions it had, and whom the other one was too slow for
	for _, v := range visitors {
		a := v.get(t, "/user/readonly", 0)
		if a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && a.Header.Get("Set-Cookie") == "" {
			refused = append(refused, v)
			continue
		}
		v.eventually(t, "/user/readonly", http.StatusOK)
	}
	s.get(t, "/food", http.StatusOK)
	s.get(t, "/status", http.StatusOK)

	servers[1].Restart() // empty: without a backup its sessions are gone, and new ones work
	began := time.Now()
	lost := 0
	for _, v := range refused {
		status := 0
		timeleft.Poll(t, "an answer after the restart", func() bool {
			status = v.get(t, "/user/readonly", 0).StatusCode
			return status != http.StatusServiceUnavailable
		})
		if status == http.StatusForbidden {
			lost++
			v.eventually(t, "/user", http.StatusOK)
		}
		v.eventually(t, "/user/readonly", http.StatusOK)
	}
	if lost == 0 || lost == len(visitors) {
		t.Fatalf("with one of two servers away, %d of %d visitors lost their sessions", lost, len(visitors))
	}
	t.Logf("%d of %d visitors were affected, and served again %v after the restart", lost, len(visitors), time.Since(began))

	servers[0].Freeze()
	servers[1].Freeze()
	for _, v := range visitors {
		if a := v.get(t, "/user/readonly", http.StatusServiceUnavailable); a.Header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
	}
	s.get(t, "/food", http.StatusOK)
	servers[0].Thaw()
	servers[1].Thaw()
	for _, v := range visitors {
		v.eventually(t, "/user/readonly", http.StatusOK)
	}
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
	if said := s.stderr.String(); !strings.Contains(said, "session store is away") {
		t.Errorf("got the log %s, want the failure", said)
	}
}

func TestTheShopOpensThoughOneMemcachedIsAway(t *testing.T) {
	there := memcachedtest.Start(t)
	away := nowhere(t)
	s := start(t, "-addr", "127.0.0.1:0", "-store", "memcached://"+away+","+there.Addr)
	s.get(t, "/food", http.StatusOK)
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
	if said := s.stderr.String(); !strings.Contains(said, "does not answer") || !strings.Contains(said, away) {
		t.Errorf("got the log %s, want the server that is away", said)
	}
}

func TestAMemcachedOnASocketOrWithAPassword(t *testing.T) {
	guarded := memcachedtest.Start(t, "-Y", memcachedtest.Passwords(t, "shop:sesame!\n"))
	for address, name := range map[string]string{
		"memcached://" + memcachedtest.StartUnix(t).Addr:   "memcached://unix:///",
		"memcached://shop:sesame%21@" + guarded.Addr + "/": "memcached://" + guarded.Addr + ")",
	} {
		s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-store", address)
		if !strings.Contains(s.line, name) {
			t.Errorf("got %q, want %q in it", s.line, name)
		}
		s.eventually(t, "/user", http.StatusOK)
		s.eventually(t, "/user/readonly", http.StatusOK)
		if exit := s.stop(t); exit != 0 || strings.Contains(s.stderr.String(), "sesame") {
			t.Errorf("got exit status %d, and the log %s", exit, s.stderr.String())
		}
	}
}

// visitor is one more visitor of the same shop.
func (p *process) visitor(t *testing.T) *process {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &process{url: p.url, client: &http.Client{Jar: jar, Timeout: p.client.Timeout}}
	t.Cleanup(v.client.CloseIdleConnections)
	return v
}
