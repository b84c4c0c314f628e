package express_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
)

var (
	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		a.handler = a.p.Handler(a.m, a.handler)
		r := a.get("/")
		equal(t, "body", r.Body.String(), "1")
		equal(t, "cookies", len(r.Header()["Set-Cookie"]), 1)
		equal(t, "sessions in the store", a.entries(), 1)
	}, 20)

	_ = in(func(t *testing.T) {
		if _, err := (&express.Profile{}).Options(); err == nil || !strings.Contains(err.Error(), "option secret") {
			t.Errorf("got %v, want an error about the secret", err)
		}
	}, 21)

	_ = in(func(t *testing.T) {
		a := newApp(t, uninitialized, silent)
		wantCookie(t, a.get("/"), true)
		equal(t, "sessions in the store", a.entries(), 1)
		wantCookie(t, a.get("/"), true)
		equal(t, "sessions in the store", a.entries(), 2)
	}, 23, 27, 83, 85, 98, 99)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		first := a.get("/")
		equal(t, "body", first.Body.String(), "1")
		equal(t, "body", a.get("/", first).Body.String(), "2")
		s := a.m.Load(t.Context(), request("/", first).Header)
		err := s.Err()
		if err != nil || hits.Or(s, 0) != 2 {
			t.Errorf("got %d, %v, want 2", hits.Or(s, 0), err)
		}
	}, 24, 118)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		first := a.get("/")
		a.store.loadErr = errTest
		r := a.get("/", first)
		equal(t, "status", r.Code, http.StatusServiceUnavailable)
		if !errors.Is(a.failed, errTest) || !errors.Is(a.failed, session.ErrUnavailable) {
			t.Errorf("got %v, want the store's error", a.failed)
		}
		wantCookie(t, r, false)
	}, 25)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		first := a.get("/")
		a.store.loadErr = fmt.Errorf("no such file: %w", session.ErrNotFound)
		r := a.get("/", first)
		equal(t, "body", r.Body.String(), "1")
		if a.id(r) == a.id(first) {
			t.Error("got the same id")
		}
	}, 26)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		r := request("/")
		r.RequestURI, r.URL.Path = "", ""
		wantCookie(t, a.do(r), true)
	}, 28)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, func(_ http.ResponseWriter, r *http.Request) { user.Set(from(r), "bob") })
		r := a.get("/")
		wantCookie(t, r, true)
		equal(t, "body", r.Body.String(), "")
		equal(t, "sessions in the store", a.entries(), 1)
	}, 30)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		first := a.get("/")
		const stored = `{"cookie":{"originalMaxAge":null},"save" : "nope","user":"bob"}`
		a.put(first, stored)
		equal(t, "body", a.get("/", first).Body.String(), "1")
		if got := a.stored(a.id(first)); !strings.Contains(got, `"save":"nope","user":"bob","hits":1`) {
			t.Errorf("got %s", got)
		}
	}, 31)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		record, err := express.ParseRecord([]byte(a.stored(a.id(a.get("/")))), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "fields", fmt.Sprint(record.Names()), "[hits session/dots]")
	}, 32)

	_ = in(func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.Rolling, p.SaveUninitialized = true, true }, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "hello, ")
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond)
			fmt.Fprint(w, "world")
		})
		first := a.get("/")
		time.Sleep(time.Second)
		second := a.get("/", first)
		if one, two := expires(t, first.cookie), expires(t, second.cookie); !two.After(one) {
			t.Errorf("got %v and then %v", one, two)
		}
	}, 34)
)

// put stores what another program has written.
func (a *app) put(of reply, stored string) {
	a.t.Helper()
	r := session.Record{Data: []byte(stored), Expires: time.Now().Add(time.Hour)}
	if _, err := a.store.Store.Save(a.t.Context(), a.id(of), r, session.Any); err != nil {
		a.t.Fatal(err)
	}
}

// savedFirst is a test that the session is in the store before anything of the
// answer is sent, however slow the store is.
func savedFirst(write func(w http.ResponseWriter)) func(t *testing.T) {
	return func(t *testing.T) {
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			hits.Set(from(r), 1)
			write(w)
		})
		a.store.delay = 200 * time.Millisecond
		sent := &watched{ResponseRecorder: httptest.NewRecorder(), entries: a.entries}
		a.handler.ServeHTTP(sent, request("/"))
		if sent.before != 1 {
			t.Errorf("got %d sessions in the store when the header was sent, want 1", sent.before)
		}
	}
}

// watched counts sessions when the header is sent.
type watched struct {
	*httptest.ResponseRecorder
	entries func() int
	before  int
	begun   bool
}

func (w *watched) WriteHeader(status int) {
	if !w.begun {
		w.begun, w.before = true, w.entries()
	}
	w.ResponseRecorder.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseRecorder.Write(p)
}

func (w *watched) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

var (
	_ = in(savedFirst(func(w http.ResponseWriter) { fmt.Fprint(w, "session saved") }), 35)
	_ = in(savedFirst(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
	}), 36)
	_ = in(savedFirst(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "12")
		fmt.Fprint(w, "hello, ")
		fmt.Fprint(w, "world")
	}), 37)
	_ = in(savedFirst(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "13")
		fmt.Fprint(w, "session saved")
	}), 38)

	_ = in(func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.Resave = true }, func(_ http.ResponseWriter, r *http.Request) {
			if s := from(r); s.ID() == "" {
				hits.Set(s, 1)
			}
		})
		stored := func(r reply) time.Time {
			record, err := express.ParseRecord([]byte(a.stored(a.id(r))), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			at, _ := record.Cookie().Expires()
			return at
		}
		first := a.get("/")
		if got, want := expires(t, first.cookie), stored(first).Truncate(time.Second); !got.Equal(want) {
			t.Errorf("got %v in the cookie and %v in the store", got, want)
		}
		before := stored(first)
		time.Sleep(time.Second)
		a.get("/", first)
		if after := stored(first); !after.After(before) {
			t.Errorf("got %v, want later than %v", after, before)
		}
	}, 39)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		stale := reply{cookie: "connect.sid=" + strings.NewReplacer(":", "%3A", "+", "%2B", "/", "%2F").Replace(a.p.Secrets.Sign("stale"))}
		r := a.get("/", stale)
		equal(t, "body", r.Body.String(), "1")
		if a.id(r) == "stale" {
			t.Error("got the visitor's own id")
		}
	}, 40, 41)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		first := a.get("/")
		a.store.loads = 0
		r := a.get("/", reply{cookie: "connect.sid=" + string(a.id(first))})
		equal(t, "body", r.Body.String(), "1")
		pair, _, _ := strings.Cut(first.cookie, ";")
		r = a.get("/", reply{cookie: pair[:len(pair)-1]})
		equal(t, "body", r.Body.String(), "1")
		equal(t, "loads", a.store.loads, 0)
	}, 42, 43)

	_ = in(func(t *testing.T) {
		a := newApp(t, option(`{"maxAge":1000}`), counts)
		first := a.get("/")
		time.Sleep(1200 * time.Millisecond) // maxAge, and a tenth of it
		equal(t, "sessions in the store", a.entries(), 0)
		second := a.get("/", first)
		equal(t, "body", second.Body.String(), "1")
		if a.id(second) == a.id(first) {
			t.Error("got the same id")
		}
	}, 44, 45, 46)

	_ = in(func(t *testing.T) { // not to be taken for a visitor without a session
		a := newApp(t, nil, counts)
		first := a.get("/")
		a.put(first, `{"hits":1}`)
		r := a.get("/", first)
		equal(t, "status", r.Code, http.StatusServiceUnavailable)
		if a.failed == nil || !strings.Contains(a.failed.Error(), "cookie") {
			t.Errorf("got %v, want an error about the cookie", a.failed)
		}
	}, 47)
)

// generates is a test of genid.
func generates(genID func(*http.Request) string, path string, check func(t *testing.T, a *app, r reply)) func(t *testing.T) {
	return func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.GenID, p.SaveUninitialized = genID, true }, silent)
		check(t, a, a.get(path))
	}
}

func is(value string) func(t *testing.T, a *app, r reply) {
	return func(t *testing.T, a *app, r reply) {
		if got, _ := attribute(r.cookie, "connect.sid"); got != value {
			t.Errorf("got %s, want %s", got, value)
		}
	}
}

var (
	_ = in(generates(nil, "/", func(t *testing.T, a *app, r reply) { equal(t, "length", len(a.id(r)), 32) }), 79)
	_ = in(generates(func(*http.Request) string { return "apple" }, "/",
		is("s%3Aapple.D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU")), 80)
	_ = in(generates(func(*http.Request) string { return "%" }, "/",
		is("s%3A%25.kzQ6x52kKVdF35Qh62AWk4ZekS28K5XYCXKa%2FOTZ01g")), 81)
	_ = in(generates(func(r *http.Request) string { return r.URL.Path }, "/foo",
		is("s%3A%2Ffoo.paEKBtAHbV5s1IB8B2zPnzAgYmmnRPIqObW4VRYj%2FMQ")), 82)

	_ = in(func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.Name = "session_id" }, counts)
		first := a.get("/")
		wantCookie(t, first, true)
		equal(t, "body", a.get("/", first).Body.String(), "2")
	}, 84, 86)

	_ = in(func(t *testing.T) {
		s, err := express.NewSecrets()
		if err == nil {
			t.Errorf("got %v, want an error", s)
		}
	}, 104)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, counts)
		first := a.get("/")
		pair, _, _ := strings.Cut(first.cookie, ";")
		if !strings.HasPrefix(pair, "connect.sid=s%3A") {
			t.Errorf("got %s", pair)
		}
		equal(t, "body", a.get("/", first).Body.String(), "2")
	}, 105, 106, 107)

	_ = in(func(t *testing.T) {
		signed := func(secrets ...string) *express.Secrets {
			var list [][]byte
			for _, s := range secrets {
				list = append(list, []byte(s))
			}
			s, err := express.NewSecrets(list...)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		store := &testStore{Store: memstore.New(nil)}
		serve := func(secrets *express.Secrets) *app {
			a := newApp(t, func(p *express.Profile) { p.Secrets = secrets }, counts)
			a.store.Store = store.Store
			return a
		}
		first := serve(signed("keyboard cat", "nyan cat")).get("/")
		equal(t, "with the second alone", serve(signed("nyan cat")).get("/", first).Body.String(), "1")
		equal(t, "with the first as the second", serve(signed("nyan cat", "keyboard cat")).get("/", first).Body.String(), "2")
	}, 108, 109)
)

var (
	_ = in(func(t *testing.T) { // an outer writer, such as one that compresses
		a := newApp(t, nil, counts)
		w := &watched{ResponseRecorder: httptest.NewRecorder(), entries: a.entries}
		a.handler.ServeHTTP(w, request("/"))
		equal(t, "body", w.Body.String(), "1")
		equal(t, "sessions when the header was sent", w.before, 1)
	}, 115)

	_ = in(func(t *testing.T) { // an inner one
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			b := bufio.NewWriter(w)
			hits.Set(from(r), 1)
			fmt.Fprint(b, "hello, world")
			b.Flush()
		})
		r := a.get("/")
		wantCookie(t, r, true)
		equal(t, "body", r.Body.String(), "hello, world")
	}, 116)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if _, err := session.From(r.Context()); err != nil {
				fmt.Fprint(w, "no session")
				return
			}
			counts(w, r)
		})
		first := a.get("/")
		a.store.loadErr = errTest
		down := a.get("/", first)
		equal(t, "body", down.Body.String(), "no session")
		equal(t, "cookies", len(down.Header()["Set-Cookie"]), 0)
		a.store.loadErr = nil
		equal(t, "body", a.get("/", first).Body.String(), "2")
	}, 121, 122)
)
