package admin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/sessiontest"
)

// listed waits until the list of a user's sessions, which is written in the background, has n.
func (f *fixture) listed(user string, n int) {
	f.t.Helper()
	until(f.t, "the list", func() bool {
		s, err := f.client.Sessions(f.t.Context(), user)
		if err != nil {
			f.t.Fatal(err)
		}
		return len(s.Sessions) == n
	})
}

func TestAnOperatorFindsAndEndsSessions(t *testing.T) {
	f := open(t, memory(), admin.Options{Values: []admin.Value{admin.ValueOf(note), admin.ValueOf(session.NewKey[int]("never-set"))}})
	id, ada := f.logIn("ada")
	second, other := f.logIn("ada")
	_, bo := f.logIn("bo")
	f.listed("ada", 2)

	s, err := f.client.Session(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != id || s.User != "ada" || s.LoggedIn.IsZero() || s.Began.IsZero() || !s.Expires.After(time.Now()) || s.Incomplete {
		t.Errorf("got %+v", s)
	}
	if got := strings.Join(s.Names, " "); got != "note secret" {
		t.Errorf("got the names %s, want note and secret", got)
	}
	if len(s.Values) != 1 || string(s.Values["note"]) != `"for all to see"` {
		t.Errorf("got the values %s, want the one that is marked", s.Values)
	}

	for _, act := range []struct {
		is     string
		do     func() (admin.Ended, error)
		audit  string
		ends   []func() string
		stays  []func() string
		listed int
	}{
		{
			"one session", func() (admin.Ended, error) { return f.client.End(t.Context(), id) },
			"by=ann act=/api/end session=" + string(id) + " outcome=durable",
			[]func() string{userOf(ada)},
			[]func() string{userOf(other), userOf(bo)}, 1,
		},
		{
			"all of a user", func() (admin.Ended, error) { return f.client.EndUser(t.Context(), "ada") },
			"by=ann act=/api/end-user user=ada outcome=durable",
			[]func() string{userOf(other)},
			[]func() string{userOf(bo)}, 0,
		},
		{
			"everybody's", func() (admin.Ended, error) { return f.client.EndBefore(t.Context(), time.Now()) },
			"by=ann act=/api/end-before before=20",
			[]func() string{userOf(bo)}, nil, 0,
		},
	} {
		f.log.take()
		e, err := act.do()
		if err != nil || e.Outcome != "durable" {
			t.Fatalf("%s: got %+v, %v, want durable", act.is, e, err)
		}
		line := f.log.take()
		if !strings.Contains(line, act.audit) || !strings.Contains(line, "outcome=durable") || strings.Count(line, "\n") != 1 {
			t.Errorf("%s: the log has %q, want one line with %s", act.is, line, act.audit)
		}
		for _, user := range act.ends {
			if got := user(); got != "" {
				t.Errorf("%s: %s is still logged in", act.is, got)
			}
		}
		for _, user := range act.stays {
			if user() == "" {
				t.Errorf("%s: another is logged out", act.is)
			}
		}
		f.listed("ada", act.listed)
	}
	if _, err := f.client.Session(t.Context(), second); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("got %v, want ErrNoSession", err)
	}
}

func userOf(v interface{ Session() *session.Session }) func() string {
	return func() string { return v.Session().User() }
}

// No answer of the API and no line of the log has a value that is not marked, or a token.
func TestNothingSecretIsShown(t *testing.T) {
	f := open(t, memory(), admin.Options{})
	id, v := f.logIn("ada")
	cookie := v.Request(http.MethodGet, "/", nil).Header.Get("Cookie")
	f.listed("ada", 1)
	all := ""
	for _, path := range []string{"/api/status", "/api/sessions?user=ada", "/api/session?id=" + string(id)} {
		text, err := io.ReadAll(f.request("GET", path, "", "Operator", "ann").Body)
		if err != nil || !strings.HasPrefix(string(text), "{") {
			t.Fatalf("%s: got %s, %v", path, text, err)
		}
		all += string(text)
	}
	if _, err := f.client.End(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	all += f.log.take()
	if strings.Contains(all, "not-for-operators") || strings.Contains(all, "for all to see") {
		t.Errorf("a value is shown: %s", all)
	}
	for c := range strings.SplitSeq(cookie, "; ") {
		if _, value, _ := strings.Cut(c, "="); len(value) < 20 || strings.Contains(all, value) {
			t.Errorf("a cookie of %d bytes is shown: %s", len(value), all)
		}
	}
}

// faulty is a store that can go away.
type faulty struct {
	session.Store
	away atomic.Bool
}

var errAway = errors.New("the store is away")

func (s *faulty) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if s.away.Load() {
		return session.Record{}, errAway
	}
	return s.Store.Load(ctx, id)
}

func (s *faulty) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if s.away.Load() {
		return session.Version{}, errAway
	}
	return s.Store.Save(ctx, id, r, over)
}

func TestAnOutageIsSaid(t *testing.T) {
	store := &faulty{Store: memory()}
	var order override.Value
	events := new(admin.Events)
	f := open(t, store, admin.Options{Order: order.Order, Events: events}, func(o *session.Options) { o.Switch = &order })
	id, _ := f.logIn("ada")
	// By order, so that the store is left alone at once and by all that run in the background.
	order.SetUntil(session.Override{Mode: session.BackupOnly}, time.Now().Add(time.Hour))

	if _, err := f.client.Session(t.Context(), id); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if s, err := f.client.Sessions(t.Context(), "ada"); err != nil || s.Problem == "" {
		t.Errorf("got %+v, %v, want sessions that may not be all", s, err)
	}
	f.log.take()
	e, err := f.client.EndUser(t.Context(), "ada")
	if err != nil || e.Outcome != "pending" {
		t.Errorf("got %+v, %v, want pending", e, err)
	}
	if line := f.log.take(); !strings.Contains(line, "act=/api/end-user user=ada outcome=pending") {
		t.Errorf("the log has %q", line)
	}
	s, err := f.client.Status(t.Context())
	if err != nil || len(s.Instances) != 1 {
		t.Fatalf("got %+v, %v, want this instance", s, err)
	}
	i := s.Instances[0]
	if !i.Self || i.Order == nil || i.Order.Mode != "backup-only" || i.Order.Until.IsZero() || i.Stats.Journal.Tombstones == 0 {
		t.Errorf("got %+v, want an order with its end, and an end that waits", i)
	}
}

// Another program's 404 says nothing of a session.
func TestAnotherProgramsAnswerIsNone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c := &admin.Client{URL: server.URL}
	_, err := c.Session(t.Context(), "00")
	if e := (*admin.Error)(nil); !errors.As(err, &e) || e.Status != http.StatusNotFound || errors.Is(err, session.ErrNoSession) {
		t.Errorf("got %v, want a 404 that is not ErrNoSession", err)
	}
	c.URL = "shop.test/admin"
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "no URL of a page") {
		t.Errorf("got %v of no URL", err)
	}
}

// inProcess sends a client's requests to a Handler without a connection.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// An operator hears that no session had the ID. It is ended all the same: what is left of one may be
// in its visitor's copies alone, or under the ID that a rotation has given it.
func TestAnEndOfNoSessionSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory()
		var order override.Value
		f := open(t, store, admin.Options{}, func(o *session.Options) { o.Switch = &order })
		f.server.Close() // a connection is nothing for virtual time
		f.client.HTTP = &http.Client{Transport: inProcess{http.StripPrefix("/ops/admin", f.handler)}}
		time.Sleep(10 * time.Second) // a new store is not believed at once
		end := func(is string, id session.ID, want admin.Ended) {
			t.Helper()
			f.log.take()
			e, err := f.client.End(t.Context(), id)
			if e != want || err != nil {
				t.Errorf("%s: got %+v, %v, want %+v", is, e, err, want)
			}
			words := "session=" + string(id) + " outcome=" + want.Outcome
			if want.Missing {
				words = "session=" + string(id) + " missing=true outcome=" + want.Outcome
			}
			if line := f.log.take(); !strings.Contains(line, words) {
				t.Errorf("%s: the log has %q, want %s", is, line, words)
			}
		}
		in := func(v *sessiontest.Visitor) bool { return v.Session().User() != "" }

		id, v := f.logIn("ada")
		end("a session", id, admin.Ended{Outcome: "durable"})
		end("one that has ended", id, admin.Ended{Outcome: "durable", Missing: true})
		end("an ID that nobody had", session.ID(strings.Repeat("0", 32)), admin.Ended{Outcome: "durable", Missing: true})
		if in(v) {
			t.Error("ada is logged in")
		}

		id, v = f.logIn("ada")
		r, err := store.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.Expires = time.Now().Add(time.Second) // as if it were evicted
		if _, err := store.Save(t.Context(), id, r, r.Version); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		end("one that its visitor's copy has alone", id, admin.Ended{Outcome: "durable", Missing: true})
		if in(v) {
			t.Error("the copy of a session that was ended counts")
		}

		id, v = f.logIn("ada")
		v.Get(f.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err != nil {
				t.Error(err)
			}
			s.Rotate()
		})), "/")
		if !in(v) || v.Session().ID() == id {
			t.Fatal("the session was not rotated")
		}
		end("one that was rotated", id, admin.Ended{Outcome: "durable"})
		if in(v) {
			t.Error("what a rotation made of a session that was ended counts")
		}

		id, _ = f.logIn("ada")
		order.SetUntil(session.Override{Mode: session.BackupOnly}, time.Now().Add(time.Hour))
		end("one of which the store says nothing", id, admin.Ended{Outcome: "pending"})
		order.Set(session.Override{})
	})
}

// Without a backup a user's sessions cannot be ended at once: the answer says so, and so does
// the log.
func TestWithoutABackup(t *testing.T) {
	f := open(t, memory(), admin.Options{}, func(o *session.Options) { o.Backup = nil })
	id, _ := f.logIn("ada")
	if _, err := f.client.EndUser(t.Context(), "ada"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
	if line := f.log.take(); !strings.Contains(line, "outcome=failed") {
		t.Errorf("the log has %q, want a failure", line)
	}
	if e, err := f.client.End(t.Context(), id); err != nil || e.Outcome != "durable" {
		t.Errorf("got %+v, %v, want durable", e, err)
	}
}

func TestEventsAreStreamed(t *testing.T) {
	events := new(admin.Events)
	f := open(t, memory(), admin.Options{Events: events})
	id, _ := f.logIn("ada")
	var kinds []string
	for e, err := range f.client.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Kind)
		if e.Number != uint64(len(kinds)) || e.At.IsZero() || e.User != "ada" {
			t.Errorf("got %+v as event %d", e, len(kinds))
		}
		switch e.Kind {
		case "login":
			if e.Session != id {
				t.Errorf("got the login of %s, want %s", e.Session, id)
			}
			// The stream is open, and has all that there was.
			if _, err := f.client.EndUser(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
		case "revoked":
			if e.Detail != "durable" {
				t.Errorf("got %+v", e)
			}
			if err := f.handler.Close(t.Context()); err != nil { // ends the stream, and so the loop
				t.Fatal(err)
			}
		}
	}
	if got := strings.Join(kinds, " "); got != "login revoked" {
		t.Errorf("got the events %s, want a login and a revocation", got)
	}

	f = open(t, memory(), admin.Options{})
	for _, err := range f.client.Events(t.Context()) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v of a page without events, want ErrUnsupported", err)
		}
	}
}

// A client that has lost the connection gets what it missed, and nothing twice.
func TestAStreamGoesOn(t *testing.T) {
	events := new(admin.Events)
	f := open(t, memory(), admin.Options{Events: events})
	h := events.Hooks(session.Hooks{})
	for _, user := range []string{"a", "b", "c"} {
		h.Login(t.Context(), "", "", user)
	}
	f.client.Authorize = func(r *http.Request) {
		as("ann")(r)
		r.Header.Set("Last-Event-ID", "2")
	}
	for e, err := range f.client.Events(t.Context()) {
		if err != nil || e.User != "c" || e.Number != 3 {
			t.Errorf("got %+v, %v, want the third", e, err)
		}
		break
	}
}

// The application is asked again while a stream is open.
func TestAStreamEndsWithTheRight(t *testing.T) {
	events := new(admin.Events)
	synctest.Test(t, func(t *testing.T) {
		var denied atomic.Bool
		m, err := session.New(memstore.New(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		allow := func(*http.Request) (string, admin.Access) {
			if denied.Load() {
				return "lou", admin.Denied
			}
			return "lou", admin.MayLook
		}
		h, err := admin.New(m, allow, &admin.Options{Events: events})
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{header: http.Header{}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/api/events", nil)
			h.ServeHTTP(w, r)
		}()
		time.Sleep(time.Minute)
		select {
		case <-done:
			t.Fatal("the stream has ended while the operator may look")
		default:
		}
		denied.Store(true)
		time.Sleep(time.Minute)
		select {
		case <-done:
		default:
			t.Error("the stream goes on though the operator may not look any more")
			if err := h.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// recorder is a writer that can be flushed.
type recorder struct{ header http.Header }

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (w *recorder) WriteHeader(int)             {}
func (w *recorder) Flush()                      {}
