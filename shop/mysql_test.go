package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/mariadbtest"
)

func TestTheShopOutlivesItsMariaDB(t *testing.T) {
	t.Cleanup(mariadbtest.RemoveTemplate)
	server := mariadbtest.Start(t)
	address := "mysql://root@" + server.Addr + "/test"
	outlivesKills(t, address)

	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-no-backup", "-store", address)
	if want := "(store mysql://" + server.Addr + "/test)\n"; !strings.HasSuffix(s.line, want) {
		t.Errorf("got %q, want the end %q", s.line, want)
	}
	s.eventually(t, "/user", http.StatusOK)
	s.eventually(t, "/user/readonly", http.StatusOK)
	server.Kill()
	s.eventually(t, "/user/readonly", http.StatusServiceUnavailable)
	s.get(t, "/food", http.StatusOK)
	server.Restart()
	s.eventually(t, "/user/readonly", http.StatusOK) // the same session
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0: %s", exit, s.stderr.String())
	}
}

func TestAMySQLAddressThatMakesNoSenseIsNotQuoted(t *testing.T) {
	for _, address := range []string{
		"mysql://shop:sesame@host", "mysql://shop:sesame@host/", "mysql://shop:sesame@/shop", "mysql://shop:sesame@host/shop?tls=true", "mysql://shop:ses%ame@host/shop",
	} {
		var said strings.Builder
		if exit := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-store", address}, &said, &said); exit != 1 {
			t.Errorf("%s: got exit status %d, want 1", address, exit)
		}
		if got := said.String(); !strings.Contains(got, "mysql://user:password@host:port/database") || strings.Contains(got, "sesame") {
			t.Errorf("%s: got %s", address, got)
		}
	}
}
