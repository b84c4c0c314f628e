package express_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/express"
)

// once writes to a session that is new, and to no other.
func once(_ http.ResponseWriter, r *http.Request) {
	if s := from(r); s.ID() == "" {
		user.Set(s, "bob")
	} else {
		user.Set(s, user.Or(s, "")) // what it is already
	}
}

func rolling(p *express.Profile) { p.Rolling = true }

var (
	_ = in(func(t *testing.T) {
		a := newApp(t, nil, once)
		first := a.get("/")
		wantCookie(t, first, true)
		wantCookie(t, a.get("/", first), false)
	}, 87)

	_ = in(func(t *testing.T) {
		a := newApp(t, rolling, once)
		first := a.get("/")
		wantCookie(t, a.get("/", first), true)
	}, 88)

	_ = in(func(t *testing.T) {
		a := newApp(t, rolling, silent)
		wantCookie(t, a.get("/"), false)
		equal(t, "sessions in the store", a.entries(), 0)
	}, 89)

	_ = in(func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.Rolling, p.SaveUninitialized = true, true }, silent)
		wantCookie(t, a.get("/"), true)
		equal(t, "sessions in the store", a.entries(), 1)
	}, 90)

	_ = in(func(t *testing.T) {
		a := newApp(t, rolling, once)
		wantCookie(t, a.get("/"), true)
		equal(t, "sessions in the store", a.entries(), 1)
	}, 91)
)

// savesOf is a test of how often the second request saves.
func savesOf(resave bool, h http.HandlerFunc, want int) func(t *testing.T) {
	return func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.Resave = resave }, h)
		first := a.get("/")
		equal(t, "saves of the first request", a.store.saves, 1)
		time.Sleep(time.Millisecond)
		a.store.saves = 0
		a.get("/", first)
		equal(t, "saves of the second request", a.store.saves, want)
	}
}

type person struct {
	Name   string `json:"name"`
	Cookie string `json:"cookie"`
}

var owner = session.NewKey[person]("user")

var (
	// Not by default: see Profile.Resave.
	_ = in(savesOf(true, once, 1), 92, 93)
	_ = in(savesOf(false, once, 0), 94)
	_ = in(savesOf(false, counts, 1), 95)
	_ = in(savesOf(false, func(_ http.ResponseWriter, r *http.Request) {
		s := from(r)
		n := 0
		if s.ID() != "" {
			n = 1
		}
		owner.Set(s, person{"bob", fmt.Sprint(n)})
	}, 1), 96)

	_ = in(func(t *testing.T) { // the touch is done in the background
		a := newApp(t, nil, once)
		first := a.get("/")
		time.Sleep(10 * time.Second)
		a.store.saveErr = errTest
		r := a.get("/", first)
		equal(t, "status", r.Code, http.StatusOK)
		equal(t, "saves", a.store.saves, 2)
		equal(t, "failures", a.m.Stats().Failures, 1)
	}, 97)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, silent)
		wantCookie(t, a.get("/"), false)
		equal(t, "saves", a.store.saves, 0)
	}, 100, 103)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, once)
		wantCookie(t, a.get("/"), true)
		equal(t, "saves", a.store.saves, 1)
	}, 101)

	_ = in(func(t *testing.T) { // and the visitor is not told that all is well
		a := newApp(t, nil, once)
		a.store.saveErr = errTest
		r := a.get("/")
		equal(t, "status", r.Code, http.StatusServiceUnavailable)
		if !errors.Is(a.failed, errTest) {
			t.Errorf("got %v, want the store's error", a.failed)
		}
		wantCookie(t, r, false)
	}, 102)
)

// unsets is a visitor with a session whose second request unsets it.
func unsets(t *testing.T, change func(*express.Profile)) (a *app, first, second reply) {
	var err error
	a = newApp(t, change, func(w http.ResponseWriter, r *http.Request) {
		if s := from(r); s.ID() == "" {
			user.Set(s, "bob")
			return
		}
		if err = a.p.Unset(r.Context()); err != nil {
			session.Error(w, r, err)
		}
	})
	first = a.get("/")
	second = a.get("/", first)
	if err != nil {
		t.Fatal(err)
	}
	return a, first, second
}

func unsetDestroys(p *express.Profile) { p.UnsetDestroys = true }

var (
	// A bool knows no other value.
	_ = in(func(t *testing.T) {
		a, first, second := unsets(t, rolling)
		equal(t, "sessions in the store", a.entries(), 1)
		wantCookie(t, second, false)
		equal(t, "user", strings.Contains(a.stored(a.id(first)), `"user":"bob"`), true)
	}, 110, 111)

	_ = in(func(t *testing.T) {
		a, first, second := unsets(t, unsetDestroys)
		equal(t, "what is stored", strings.TrimSpace(a.stored(a.id(first))), "null")
		gone(t, second)
		equal(t, "another session", a.get("/", first).Code, http.StatusServiceUnavailable) // for 30 seconds, see ErrEnded
	}, 112)

	_ = in(func(t *testing.T) {
		var a *app
		a = newApp(t, func(p *express.Profile) { p.UnsetDestroys, p.SaveUninitialized = true, true }, func(_ http.ResponseWriter, r *http.Request) {
			if err := a.p.Unset(r.Context()); err != nil {
				t.Error(err)
			}
		})
		wantCookie(t, a.get("/"), false)
		equal(t, "sessions in the store", a.entries(), 0)
	}, 113)

	_ = in(func(t *testing.T) {
		var err error
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			if s.ID() == "" {
				user.Set(s, "bob")
				return
			}
			_, err = s.Destroy(r.Context())
		})
		first := a.get("/")
		a.store.saveErr = errTest
		r := a.get("/", first)
		if !errors.Is(err, errTest) {
			t.Errorf("got %v, want the store's error", err)
		}
		equal(t, "status", r.Code, http.StatusServiceUnavailable)
		wantCookie(t, r, false)
	}, 114)
)

// gone checks that an answer takes the cookie back, which the middleware does
// not do.
func gone(t *testing.T, r reply) {
	t.Helper()
	if value, _ := attribute(r.cookie, "connect.sid"); value != "" || r.cookie == "" || !expires(t, r.cookie).Equal(time.Unix(0, 0)) {
		t.Errorf("got %q, want a cookie of 1970 without a value", r.cookie)
	}
}

var (
	_ = in(func(t *testing.T) {
		a := newApp(t, nil, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/modify" {
				hits.Update(from(r), func(n *int) error { *n++; return nil })
			}
		})
		first := a.get("/modify")
		for path, want := range map[string]bool{"/": false, "/modify": true} {
			wantCookie(t, a.get(path, first), want)
		}
	}, 119)

	_ = in(func(t *testing.T) {
		var after session.ID
		a := newApp(t, nil, func(_ http.ResponseWriter, r *http.Request) {
			s := from(r)
			if s.ID() == "" {
				user.Set(s, "bob")
				return
			}
			if _, err := s.Destroy(r.Context()); err != nil {
				t.Error(err)
			}
			after = s.ID()
		})
		first := a.get("/")
		second := a.get("/", first)
		gone(t, second)
		equal(t, "id", after, "")
		equal(t, "what is stored", strings.TrimSpace(a.stored(a.id(first))), "null")
	}, 123)

	_ = in(func(t *testing.T) {
		var a *app
		a = newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			if s.ID() != "" {
				var err error
				if s, err = a.p.Regenerate(r.Context()); err != nil {
					t.Error(err)
				}
			}
			before := user.Or(s, "nobody")
			hits.Set(s, 1)
			user.Set(s, "bob")
			fmt.Fprint(w, before)
		})
		first := a.get("/")
		second := a.get("/", first)
		equal(t, "body", second.Body.String(), "nobody")
		if a.id(second) == a.id(first) {
			t.Error("got the same id")
		}
		equal(t, "what is stored", strings.TrimSpace(a.stored(a.id(first))), "null")
	}, 124)

	_ = in(func(t *testing.T) {
		var a *app
		var first reply
		a = newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			if r.URL.Path != "/reload" {
				counts(w, r)
				return
			}
			a.get("/", first)
			equal(t, "before", hits.Or(s, 0), 1)
			if err := s.Reload(r.Context()); err != nil {
				t.Error(err)
			}
			equal(t, "after", hits.Or(s, 0), 2)
		})
		first = a.get("/")
		a.get("/reload", first)
	}, 125)

	_ = in(func(t *testing.T) {
		var a *app
		var first reply
		a = newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			if s.ID() == "" {
				counts(w, r)
				return
			}
			if _, err := a.m.Revoke(r.Context(), s.ID()); err != nil {
				t.Error(err)
			}
			for range 20 {
				if err := s.Reload(r.Context()); !errors.Is(err, session.ErrNoSession) {
					t.Errorf("got %v, want ErrNoSession", err)
				}
			}
		})
		first = a.get("/")
		a.get("/", first)
	}, 126, 127)
)

// saved is a test of a handler that saves by itself.
func saved(h func(t *testing.T, s *session.Session, r *http.Request)) func(t *testing.T) {
	return func(t *testing.T) {
		for _, suites := range []bool{false, true} { // the suite has the middleware's defaults
			change := func(p *express.Profile) { p.Resave, p.SaveUninitialized = suites, suites }
			a := newApp(t, change, func(_ http.ResponseWriter, r *http.Request) {
				s := from(r)
				hits.Update(s, func(n *int) error { *n++; return nil })
				time.Sleep(5 * time.Millisecond)
				h(t, s, r)
				time.Sleep(5 * time.Millisecond)
			})
			r := a.get("/")
			equal(t, "saves", a.store.saves, 1)
			equal(t, "what is stored", strings.Contains(a.stored(a.id(r)), `"hits":1`), true)
			a.store.saves = 0
			a.get("/", r)
			equal(t, "saves of the second request", a.store.saves, 1)
		}
	}
}

func save(t *testing.T, s *session.Session, r *http.Request) {
	if d, err := s.Save(r.Context()); err != nil || d != session.Durable {
		t.Errorf("got %v, %v", d, err)
	}
}

var (
	_ = in(saved(save), 128, 129, 131, 155)
	_ = in(saved(func(t *testing.T, s *session.Session, r *http.Request) {
		save(t, s, r)
		if err := s.Reload(r.Context()); err != nil {
			t.Error(err)
		}
		save(t, s, r)
	}), 130)

	_ = in(func(t *testing.T) {
		var a *app
		a = newApp(t, unsetDestroys, func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			if s.ID() == "" {
				user.Set(s, "bob")
				return
			}
			fmt.Fprint(w, "hello, ")
			if err := a.p.Unset(r.Context()); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, "world")
		})
		first := a.get("/")
		second := a.get("/", first)
		equal(t, "body", second.Body.String(), "hello, world")
		equal(t, "what is stored", strings.TrimSpace(a.stored(a.id(first))), "null")
	}, 156)
)

// With resave the suite finds the session saved when the answer is there.
func TestResaveIsDoneBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) { p.Resave = true }, once)
		first := a.get("/")
		before := a.stored(a.id(first))
		time.Sleep(2 * time.Second)
		a.store.delay, a.store.saves = 100*time.Millisecond, 0
		a.handler.ServeHTTP(httptest.NewRecorder(), request("/", first))
		if after := a.stored(a.id(first)); a.store.saves != 1 || after == before {
			t.Errorf("got %d saves, and %s after the answer", a.store.saves, after)
		}
		time.Sleep(time.Second) // for what should not be under way any more
	})
}
