package admin_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

var (
	note   = session.NewKey[string]("note")
	secret = session.NewKey[string]("secret")
)

// operators are the three that there are in the tests, by a header field.
func operators(r *http.Request) (string, admin.Access) {
	switch who := r.Header.Get("Operator"); who {
	case "ann":
		return who, admin.MayAct
	case "lou":
		return who, admin.MayLook
	}
	return "", admin.Denied
}

// as returns what makes a Client come as an operator.
func as(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Operator", name) }
}

// log is what a Handler logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

// fixture is a Manager with a Handler below /ops/admin on a server.
type fixture struct {
	t        testing.TB
	sessions *session.Manager
	handler  *admin.Handler
	server   *httptest.Server
	client   *admin.Client // as ann
	log      *log
}

func open(t testing.TB, store session.Store, o admin.Options, change ...func(*session.Options)) *fixture {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	so := &session.Options{Backup: &session.Backup{Keys: keys, Audience: "admin-test"}}
	if o.Events != nil {
		so.Hooks = o.Events.Hooks(session.Hooks{})
	}
	for _, c := range change {
		c(so)
	}
	m, err := session.New(store, so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.WithoutCancel(t.Context())) })
	f := &fixture{t: t, sessions: m, log: &log{}}
	o.Log = slog.New(slog.NewTextHandler(f.log, nil))
	if f.handler, err = admin.New(m, operators, &o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.handler.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	mux := http.NewServeMux()
	mounted := http.StripPrefix("/ops/admin", f.handler)
	mux.Handle("/ops/admin/", mounted)
	mux.Handle("/ops/admin", mounted)
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	t.Cleanup(func() { _ = f.handler.Close(context.WithoutCancel(t.Context())) }) // streams first
	f.client = &admin.Client{URL: f.server.URL + "/ops/admin", HTTP: f.server.Client(), Authorize: as("ann")}
	return f
}

// logIn begins a session of a user, and returns it with its visitor.
func (f *fixture) logIn(user string) (session.ID, *sessiontest.Visitor) {
	f.t.Helper()
	v := sessiontest.NewVisitor(f.t, f.sessions, func(s *session.Session) {
		note.Set(s, "for all to see")
		secret.Set(s, "not-for-operators")
		s.SetUser(user)
	})
	return v.Session().ID(), v
}

// request sends a request below the Handler, as it is.
func (f *fixture) request(method, path, body string, header ...string) *http.Response {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.client.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	client := *f.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func memory() session.Store { return memstore.New(nil) }

// until polls what a goroutine does in the background.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
