package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// A handler says that every cache may keep its page, and a session begins on it. Apache's
// cache keeps the page of a handler without a session, and none that sets a session's
// cookies.
func TestApachesCacheGivesNobodyTheSessionOfAnother(t *testing.T) {
	sessions, err := session.New(memstore.New(nil), &session.Options{Cookie: session.Cookie{Insecure: true}})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := httptest.NewServer(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch h := w.Header(); {
		case strings.HasSuffix(r.URL.Path, "/expires"):
			h.Set("Expires", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		case strings.HasSuffix(r.URL.Path, "/modified"):
			h.Set("Last-Modified", time.Now().Add(-100*time.Hour).UTC().Format(http.TimeFormat))
		case strings.HasSuffix(r.URL.Path, "/odd"):
			h["cache-control"] = []string{"public, max-age=60"}
		default:
			h.Set("Cache-Control", "public, max-age=60")
		}
		n := asked.Add(1)
		if !strings.HasPrefix(r.URL.Path, "/page") {
			s, _ := session.From(r.Context())
			who.Set(s, fmt.Sprint("visitor ", n))
		}
		fmt.Fprint(w, n)
	})))
	t.Cleanup(server.Close)
	url := startProxy(t, apacheProxy, server.URL)
	get := func(path string) (token string) {
		t.Helper()
		answer := (&crumbs{t: t, url: url, alone: true}).send(http.MethodGet, path, "")
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, answer.StatusCode)
		}
		for _, c := range answer.Cookies() {
			token = c.Value
		}
		return token
	}
	for _, said := range []string{"", "/expires", "/modified", "/odd"} {
		before := asked.Load()
		get("/page" + said)
		get("/page" + said)
		if n := asked.Load() - before; n != 1 {
			t.Errorf("%s: of two requests for a page without a session the cache let %d through: the test shows nothing", said, n)
		}
		first, next := get("/begin"+said), get("/begin"+said)
		if n := asked.Load() - before - 1; first == "" || next == "" || first == next || n != 2 {
			t.Errorf("%s: two visitors got the tokens %q and %q from %d requests", said, first, next, n)
		}
	}
}
