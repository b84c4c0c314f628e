package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/postgrestest"
)

// The session is there after a restart of the server, of the shop and of both.
func TestTheShopOutlivesItsPostgreSQL(t *testing.T) {
	server := postgrestest.Start(t)
	args := []string{"-addr", "127.0.0.1:0", "-insecure", "-no-backup", "-store", strings.Replace(server.URL(), "test@", "test:sesame@", 1)}
	s := start(t, args...)
	if want := "(store postgres://" + server.Addr() + "/postgres)\n"; !strings.HasSuffix(s.line, want) {
		t.Errorf("got %q, want the end %q", s.line, want)
	}
	s.eventually(t, "/user", http.StatusOK)
	s.eventually(t, "/user/readonly", http.StatusOK)
	server.Freeze()
	for range 5 {
		if a := s.get(t, "/user/readonly", http.StatusServiceUnavailable); a.Header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
	}
	s.get(t, "/food", http.StatusOK)
	server.Thaw()
	s.eventually(t, "/user/readonly", http.StatusOK)
	server.Kill()
	s.eventually(t, "/user/readonly", http.StatusServiceUnavailable)
	server.Restart()
	s.eventually(t, "/user/readonly", http.StatusOK)
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
	if said := s.stderr.String(); strings.Contains(said, "sesame") || !strings.Contains(said, "session store is away") {
		t.Errorf("got the log %s, want the failure and no password", said)
	}

	server.Restart()
	again := start(t, args...)
	again.client.Jar = s.client.Jar // cookies of a host go to all its ports
	again.eventually(t, "/user/readonly", http.StatusOK)
	if exit := again.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
}
