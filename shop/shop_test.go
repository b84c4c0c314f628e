package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// testShop is the shop behind https, on a store that can be made to fail.
type testShop struct {
	t        *testing.T
	server   *httptest.Server
	sessions *session.Manager
	store    *storetest.Faulty
	memory   session.Store // what is behind it
}

func openShop(t *testing.T, change ...func(*session.Options)) *testShop {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	panel := newPanel(backend{name: "memory:"}, config{noBackup: true})
	o := options(config{idle: 30 * time.Minute, lifetime: 24 * time.Hour}, nil, log)
	o.ReadTimeout, o.SaveTimeout = time.Minute, time.Minute // slow machines fail no test
	for _, c := range change {
		c(o)
	}
	memory := memstore.New(nil)
	store := storetest.NewFaulty(memory)
	sessions, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(newShop(sessions, panel, log))
	t.Cleanup(server.Close)
	return &testShop{t, server, sessions, store, memory}
}

// visitor is a program or a browser with a cookie jar. It follows no redirect.
type visitor struct {
	*testShop
	client *http.Client
}

func (s *testShop) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *s.server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &visitor{s, &c}
}

// answered is an answer that was read.
type answered struct {
	status int
	header http.Header
	body   string
}

// do sends a request with headers given as name, value, name, value.
func (v *visitor) do(method, path, body string, headers ...string) answered {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.server.URL+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answered{w.StatusCode, w.Header, string(b)}
}

func (v *visitor) get(path string, headers ...string) answered {
	v.t.Helper()
	return v.do(http.MethodGet, path, "", headers...)
}

func (v *visitor) postJSON(path, body string) answered {
	v.t.Helper()
	return v.do(http.MethodPost, path, body, "Content-Type", jsonType)
}

func (v *visitor) postForm(path, body string) answered {
	v.t.Helper()
	return v.do(http.MethodPost, path, body, "Content-Type", formType, "Accept", "text/html")
}

// ok fails the test where the status is another one.
func (a answered) ok(t *testing.T, want int) answered {
	t.Helper()
	if a.status != want {
		t.Fatalf("got status %d, want %d: %s", a.status, want, a.body)
	}
	return a
}

// inJSON decodes the body.
func inJSON[T any](t *testing.T, a answered) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}
