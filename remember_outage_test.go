package session_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// shortDay stands for a day, and kept is how long a visitor stays who has asked for it.
const shortDay = time.Minute

var kept = session.Stay{Persistent: true, Lifetime: 30 * shortDay, Idle: 14 * shortDay}

// laptop is a visitor whose browser closes and opens again.
type laptop struct {
	*sessiontest.Visitor
	t     *testing.T
	m     *session.Manager
	lasts map[string]time.Duration // of the cookies that outlast the browser, what their answer said
}

func newLaptop(t *testing.T, m *session.Manager) *laptop {
	return &laptop{sessiontest.NewVisitor(t, m), t, m, map[string]time.Duration{}}
}

// visits sends a request to an instance.
func (b *laptop) visits(m *session.Manager, do func(*session.Session)) *http.Response {
	b.t.Helper()
	out := answer(b.Visitor, m, do)
	for _, c := range out.Cookies() {
		delete(b.lasts, c.Name)
		if c.MaxAge > 0 {
			b.lasts[c.Name] = time.Duration(c.MaxAge) * time.Second
		}
	}
	return out
}

// is returns who the visitor is at an instance, and where the session is from.
func (b *laptop) is(m *session.Manager) (who string) {
	b.t.Helper()
	status := b.visits(m, func(s *session.Session) { who = fmt.Sprintf("%q %v", s.User(), s.Source()) }).StatusCode
	if status != http.StatusNoContent {
		return fmt.Sprint(status)
	}
	return who
}

// restarts closes the browser and opens it again.
func (b *laptop) restarts() {
	out := http.Header{}
	for _, c := range b.Request(http.MethodGet, "/", nil).Cookies() {
		if b.lasts[c.Name] > 0 {
			out.Add("Set-Cookie", c.Name+"="+c.Value)
		}
	}
	b.Visitor = sessiontest.NewVisitor(b.t, b.m)
	b.Keep(&http.Response{Header: out})
}

// rememberingSite is two instances over a store that can be taken away, where copies vouch for
// longer than anybody is remembered.
type rememberingSite struct {
	*testing.T
	store *storetest.Faulty
	a, b  *session.Manager
}

func testRemembering(t *testing.T, test func(*rememberingSite), without ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &rememberingSite{T: t, store: storetest.NewFaulty(memstore.New(nil))}
		keys := mustKeys(t, seal.NewKey())
		start := func() *session.Manager {
			m, err := session.Without(s.store, &session.Options{
				Idle: 10 * shortDay, Lifetime: 20 * shortDay, MaxLifetime: 30 * shortDay,
				Backup: &session.Backup{Audience: "test", Keys: keys, Lease: 40 * shortDay},
			}, 0, without...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close(context.Background()) })
			return m
		}
		s.a, s.b = start(), start()
		s.after(10 * time.Second)
		test(s)
		s.store.Heal()
	})
}

func (s *rememberingSite) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *rememberingSite) want(b *laptop, m *session.Manager, want string) {
	s.Helper()
	if got := b.is(m); got != want {
		s.Errorf("the visitor is %s, want %s", got, want)
	}
}

func TestARememberedSessionStaysSoInAnOutage(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*session.Session)
		ends time.Duration // after the change
	}{
		{"a write", func(s *session.Session) { color.Set(s, "blue") }, 24 * shortDay},
		{"a Rotate", (*session.Session).Rotate, 24 * shortDay},
		{"a Renew", (*session.Session).Renew, 30 * shortDay},
		{"a step-up", loginOf("ann"), 30 * shortDay},
		{"RevokeOthers", func(s *session.Session) { _, _ = s.RevokeOthers(context.Background()) }, 30 * shortDay},
	} {
		t.Run(test.name, func(t *testing.T) {
			testRemembering(t, func(s *rememberingSite) {
				v := newLaptop(t, s.a)
				v.visits(s.a, remembering("ann", kept))
				s.after(6 * shortDay)
				s.store.Fail(errRefused)
				end := time.Now().Add(test.ends)
				if status := v.visits(s.a, test.do).StatusCode; status != http.StatusNoContent {
					t.Fatalf("in the outage: answered %d", status)
				}
				if len(v.lasts) < 2 {
					t.Errorf("the browser keeps the cookies %v, want the token and a copy", v.lasts)
				}
				for name, got := range v.lasts {
					if got != test.ends && got != 30*shortDay { // a token that was not sent again lasts as it did
						t.Errorf("the cookie %s lasts for %v, want %v", name, got, test.ends)
					}
				}
				v.restarts()
				s.want(v, s.a, `"ann" backup`)
				s.want(v, s.b, `"ann" backup`)
				s.after(13 * shortDay) // within its own Idle, and not that of the options
				s.want(v, s.b, `"ann" backup`)
				s.store.Heal()
				s.after(time.Minute)
				if got := v.is(s.a); !strings.HasPrefix(got, `"ann" `) { // a record that was idle for too long is restored
					t.Errorf("when the store is back, the visitor is %s", got)
				}
				s.want(v, s.a, `"ann" store`)
				v.restarts()
				s.after(5 * shortDay)
				s.want(v, s.b, `"ann" store`)
				s.after(time.Until(end) - 2*time.Second)
				s.want(v, s.a, `"ann" store`)
				s.after(3 * time.Second)
				s.want(v, s.a, `"" nowhere`)
				s.want(v, s.b, `"" nowhere`)
			})
		})
	}
}

// A visitor who is not remembered is gone with the browser, and at its own Idle, whatever was
// renewed in the outage.
func TestWhoIsNotRememberedIsForgottenInAnOutage(t *testing.T) {
	for name, do := range map[string]func(*session.Session){
		"a write": func(s *session.Session) { color.Set(s, "blue") }, "a Rotate": (*session.Session).Rotate,
		"a Renew": (*session.Session).Renew, "a step-up": loginOf("ann"),
		"a login of another user":            loginOf("bob"),
		"a login that is remembered no more": remembering("ann", session.Stay{Idle: 2 * shortDay}),
	} {
		t.Run(name, func(t *testing.T) {
			testRemembering(t, func(s *rememberingSite) {
				v, w := newLaptop(t, s.a), newLaptop(t, s.a)
				first := session.Stay{Idle: 2 * shortDay}
				if strings.HasPrefix(name, "a login") {
					first = kept
				}
				for _, b := range []*laptop{v, w} {
					b.visits(s.a, remembering("ann", first))
				}
				s.store.Fail(errRefused)
				for _, b := range []*laptop{v, w} {
					if status := b.visits(s.a, do).StatusCode; status != http.StatusNoContent {
						t.Fatalf("in the outage: answered %d", status)
					}
				}
				v.restarts()
				s.want(v, s.a, `"" nowhere`)
				s.want(v, s.b, `"" nowhere`)
				if strings.HasSuffix(name, "user") {
					return // who lasts as the options say
				}
				s.after(2*shortDay - time.Second)
				s.want(w, s.b, `"ann" backup`)
				s.after(2*shortDay + 13*time.Second) // and Refresh, which is a tenth
				s.want(w, s.a, "503")                // neither the store nor a copy can say
				s.store.Heal()
				s.after(time.Minute)
				s.want(w, s.a, `"" nowhere`)
			})
		})
	}
}

// logoutOfARememberedSession has a visitor log out in an outage, whose cookies a thief has. The
// visitor may come back while it lasts, when an answer that was on its way has set the cookies
// again. It returns what is wrong.
func logoutOfARememberedSession(t *testing.T, comesBack bool, without ...string) (wrong []string) {
	testRemembering(t, func(s *rememberingSite) {
		want := func(who string, b *laptop, m *session.Manager, want string) {
			if got := b.is(m); got != want {
				wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", who, got, want))
			}
		}
		v := newLaptop(t, s.a)
		v.visits(s.a, remembering("ann", kept))
		thief, late := http.Header{}, http.Header{}
		for _, c := range v.Request(http.MethodGet, "/", nil).Cookies() {
			thief.Add("Set-Cookie", c.Name+"="+c.Value)
			late.Add("Set-Cookie", c.Name+"="+c.Value)
		}
		stolen := newLaptop(t, s.a)
		stolen.Keep(&http.Response{Header: thief})
		s.after(time.Minute)
		s.store.Fail(errRefused)
		v.visits(s.a, func(x *session.Session) {
			if d, err := x.Destroy(context.Background()); d != session.Pending || err != nil {
				t.Errorf("Destroy: %v, %v", d, err)
			}
		})
		for name := range v.lasts {
			if name != "__Host-session-x" {
				wrong = append(wrong, fmt.Sprintf("the cookie %s outlasts the logout", name))
			}
		}
		v.restarts()
		want("who has logged out", v, s.a, `"" nowhere`)
		want("the thief, where the logout was,", stolen, s.a, `"" nowhere`)
		want("the thief, where nothing can tell,", stolen, s.b, `"ann" backup`)
		v.Keep(&http.Response{Header: late})
		if comesBack {
			want("who has logged out, after a late answer,", v, s.b, `"" nowhere`) // the tombstone cookie tells
			want("the thief, where the visitor was,", stolen, s.b, `"" nowhere`)
		}
		s.after(10 * shortDay)
		s.store.Heal()
		s.after(10 * time.Second)
		for range 2 {
			want("the thief, after the outage,", stolen, s.b, `"" nowhere`)
			want("the thief, after the outage,", stolen, s.a, `"" nowhere`)
			want("who has logged out, after the outage,", v, s.b, `"" nowhere`)
			s.after(8 * shortDay)
			s.store.Replace(memstore.New(nil)) // the copies still vouch
			s.after(time.Minute)
		}
	}, without...)
	return wrong
}

func TestALogoutOfARememberedSessionInAnOutage(t *testing.T) {
	for _, comesBack := range []bool{true, false} {
		for _, wrong := range logoutOfARememberedSession(t, comesBack) {
			t.Errorf("the visitor comes back: %v: %s", comesBack, wrong)
		}
	}
	if wrong := logoutOfARememberedSession(t, false, "hints", "logs"); !strings.Contains(strings.Join(wrong, "\n"), "the thief, after the outage") {
		t.Errorf("where nothing is delivered: %q, want that the thief is logged in", wrong)
	}
}
