package main

import (
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
)

// The page opens with the key alone, to a browser by a form and to a program by a header.
func TestTheOperatorsPageWantsItsKey(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	p := newPanel(backend{name: "memory:"}, config{noBackup: true})
	store := memstore.New(nil)
	sessions, err := session.New(store, &session.Options{Hooks: p.hooks(session.Hooks{})})
	if err != nil {
		t.Fatal(err)
	}
	p.sessions = sessions
	if p.operator, err = openOperatorsPage(sessions, store, p, true, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.operator.Close(t.Context()) })
	server := httptest.NewServer(newShop(sessions, p, log))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: server.Client().Transport}
	page := server.URL + "/admin/"
	get := func(path string, header ...string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	enter := func(key string) int {
		t.Helper()
		answer, err := browser.PostForm(page+"enter", url.Values{"key": {key}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	for _, path := range []string{"", "api/status", "admin.js"} {
		if got := get(path); got != http.StatusForbidden {
			t.Errorf("%s without the key: got %d, want 403", path, got)
		}
	}
	for _, key := range []string{"x", p.operator.key[1:], p.operator.key + "x"} {
		if got := enter(key); got != http.StatusForbidden {
			t.Errorf("with the key %q: got %d, want 403", key, got)
		}
	}
	if got := get(""); got != http.StatusForbidden {
		t.Errorf("a wrong key has opened the page: %d", got)
	}
	if got := enter(" " + p.operator.key + " "); got != http.StatusOK { // that of the page behind it
		t.Errorf("with the key: got %d, want the page", got)
	}
	if got := get("api/status"); got != http.StatusOK {
		t.Errorf("behind the key: got %d, want 200", got)
	}
	for _, header := range [][]string{{"X-Forwarded-For", "10.0.0.1"}, {"Sec-Fetch-Site", "cross-site"}} {
		if got := get("api/status", header...); got != http.StatusForbidden {
			t.Errorf("with %s: got %d, want 403", strings.Join(header, ": "), got)
		}
	}
	program := &admin.Client{URL: page, Authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+p.operator.key) }}
	if s, err := program.Status(t.Context()); err != nil || !s.MayAct || !s.Events {
		t.Errorf("got %+v, %v, want a status for who may act", s, err)
	}
}
