package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
)

// instance is one process of a fleet, without a server.
type instance struct {
	*admin.Handler
	sessions *session.Manager
}

func start(t *testing.T, name string, store session.Store) instance {
	t.Helper()
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := admin.New(m, func(*http.Request) (string, admin.Access) { return "ann", admin.MayAct }, &admin.Options{Store: store, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return instance{h, m}
}

func (i instance) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(i.Close(context.WithoutCancel(t.Context())), i.sessions.Close(context.WithoutCancel(t.Context()))); err != nil {
		t.Error(err)
	}
}

// says returns the page's status, and what it says of each instance.
func (i instance) says(t *testing.T) (admin.Status, string) {
	t.Helper()
	w := &writer{recorder: recorder{http.Header{}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/api/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	i.ServeHTTP(w, r)
	var s admin.Status
	if err := json.Unmarshal(w.text, &s); err != nil {
		t.Fatalf("%s: %v", w.text, err)
	}
	var words []string
	for _, i := range s.Instances {
		word := i.Name
		if i.Self {
			word += " (self)"
		}
		if i.Gone {
			word += " (gone)"
		}
		words = append(words, word)
	}
	return s, strings.Join(words, ", ")
}

type writer struct {
	recorder
	text []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	return len(p), nil
}

// listedIn returns how many instances the list in a store has.
func listedIn(t *testing.T, store session.Store) int {
	t.Helper()
	r, err := store.Load(t.Context(), "~instances-0")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Since map[string]time.Time }
	if err := json.Unmarshal(r.Data, &list); err != nil {
		t.Fatal(err)
	}
	return len(list.Since)
}

// Each instance shows all of them, one that was killed as gone, and for ten minutes; one that
// was closed not at all.
func TestEveryInstanceShowsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		ofC := &faulty{Store: store}
		a, b := start(t, "a", store), start(t, "b", store)
		c := start(t, "c", ofC)
		time.Sleep(10 * time.Second)
		for _, test := range []struct {
			of   instance
			want string
		}{{a, "a (self), b, c"}, {b, "b (self), a, c"}, {c, "c (self), a, b"}} {
			if s, got := test.of.says(t); got != test.want || s.Problem != "" || time.Since(s.Read) > time.Second {
				t.Errorf("got %s, want %s: %+v", got, test.want, s)
			}
		}
		b.close(t)
		time.Sleep(2 * time.Second)
		if _, got := a.says(t); got != "a (self), c" {
			t.Errorf("after b was closed: got %s", got)
		}
		if n := listedIn(t, store); n != 2 {
			t.Errorf("after b was closed: %d instances are listed, want 2", n)
		}
		if _, got := c.says(t); got != "c (self), a" {
			t.Errorf("after b was closed: c shows %s", got)
		}
		ofC.away.Store(true)
		time.Sleep(12 * time.Second)
		if _, got := a.says(t); got != "a (self), c" {
			t.Errorf("before three intervals: got %s", got)
		}
		time.Sleep(9 * time.Second)
		if _, got := a.says(t); got != "a (self), c (gone)" {
			t.Errorf("after c was killed: got %s", got)
		}
		if s, got := c.says(t); !strings.Contains(s.Problem, "the store is away") || got != "c (self), a" {
			t.Errorf("c shows %s and %q, want what it read last, and why no more", got, s.Problem)
		}
		time.Sleep(9 * time.Minute)
		if _, got := a.says(t); got != "a (self), c (gone)" {
			t.Errorf("after nine minutes: got %s", got)
		}
		time.Sleep(3 * time.Minute)
		if _, got := a.says(t); got != "a (self)" {
			t.Errorf("after twelve minutes: got %s", got)
		}
		if n := listedIn(t, store); n != 1 {
			t.Errorf("after twelve minutes: %d instances are listed, want 1", n)
		}
		ofC.away.Store(false)
		time.Sleep(6 * time.Second)
		if _, got := a.says(t); got != "a (self), c" {
			t.Errorf("after c was back: got %s", got)
		}
		c.close(t)
		a.close(t)
	})
}

// An instance whose page has not been asked for yet shows in an outage which instances were
// there before it.
func TestTheOthersAreKnownWhenTheStoreGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: memstore.New(nil)}
		a, b := start(t, "a", store), start(t, "b", store)
		time.Sleep(65 * time.Second)
		store.away.Store(true)
		time.Sleep(time.Minute)
		s, got := a.says(t)
		if got != "a (self), b" || s.Problem == "" || time.Since(s.Read) < 55*time.Second {
			t.Errorf("got %s, read %v ago, and %q: want b as it was", got, time.Since(s.Read), s.Problem)
		}
		store.away.Store(false)
		b.close(t)
		a.close(t)
	})
}

// shards is a store of several, of which some are away.
type shards struct {
	session.Store
	names []string
	parts map[string]*faulty
}

func newShards(names ...string) shards {
	s := shards{memstore.New(nil), names, map[string]*faulty{}}
	for _, name := range names {
		s.parts[name] = &faulty{Store: memstore.New(nil)}
	}
	return s
}

func (s shards) Shard(session.ID) string                       { return s.names[0] }
func (s shards) Probe(context.Context, string) (string, error) { return "1", nil }
func (s shards) Shards() []string                              { return s.names }

func (s shards) Pin(shard string) (session.Store, error) {
	if s.parts[shard] == nil {
		return nil, errors.New("no such shard")
	}
	return s.parts[shard], nil
}

// While a part of the store is away, the instances see each other by another.
func TestAShardThatIsAwayHidesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShards("one", "two", "three", "four")
		store.parts["one"].away.Store(true)
		a, b := start(t, "a", store), start(t, "b", store)
		time.Sleep(20 * time.Second)
		s, got := a.says(t)
		if got != "a (self), b" || !strings.Contains(s.Problem, "in the shard one: the store is away") || time.Since(s.Read) > time.Second {
			t.Errorf("got %s and %q: want b, and what cannot be read", got, s.Problem)
		}
		if _, err := store.parts["four"].Load(t.Context(), "~instances-0"); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("a fourth shard has the list too: %v", err)
		}
		store.parts["one"].away.Store(false)
		time.Sleep(20 * time.Second)
		if s, got := a.says(t); got != "a (self), b" || s.Problem != "" {
			t.Errorf("got %s and %q, want b and no problem", got, s.Problem)
		}
		b.close(t)
		a.close(t)
	})
}

// A record of another program is reported as a problem, and only its readable parts are
// shown.
func TestRecordsThatMakeNoSense(t *testing.T) {
	for name, test := range map[string]struct{ id, text string }{
		"a list of another format":          {"~instances-0", `{"holdfast-instances":2}`},
		"a list that is none":               {"~instances-0", `x`},
		"an instance that is none":          {"~instance-7", `x`},
		"an instance without a name":        {"~instance-7", `{}`},
		"an instance with a name too long":  {"~instance-7", `{"name":"` + strings.Repeat("x", 101) + `"}`},
		"an instance that is as long as it": {"~instance-7", `{"name":"x","order":{"by":"` + strings.Repeat("x", 256<<10) + `"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New(nil)
				put := func(id, text string) {
					r := session.Record{Data: []byte(text), Expires: time.Now().Add(time.Hour)}
					if _, err := store.Save(t.Context(), session.ID(id), r, session.Any); err != nil {
						t.Fatal(err)
					}
				}
				put("~instances-0", `{"holdfast-instances":1,"since":{"7":"`+time.Now().UTC().Format(time.RFC3339)+`"}}`)
				put(test.id, test.text)
				a := start(t, "a", store)
				time.Sleep(2 * time.Second)
				s, got := a.says(t)
				if got != "a (self)" || !strings.Contains(s.Problem, test.id) {
					t.Errorf("got %s and %q, want this instance alone, and what is wrong", got, s.Problem)
				}
				_ = a.Close(context.WithoutCancel(t.Context()))
				_ = a.sessions.Close(context.WithoutCancel(t.Context()))
			})
		})
	}
}

// Close does not wait for a store for longer than its caller does.
func TestCloseEndsWithItsContext(t *testing.T) {
	a := start(t, "a", memory())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
	a.close(t)
}
