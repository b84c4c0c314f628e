package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// adoptSite is one that adopts the sessions of a library.
type adoptSite struct {
	*testing.T
	m     *session.Manager
	store *storetest.Faulty
	lib   *library
}

// testAdoption runs a test without a backup and with one.
func testAdoption(t *testing.T, shared bool, test func(*adoptSite)) {
	for name, backup := range map[string]bool{"without a backup": false, "with a backup": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &adoptSite{T: t, store: storetest.NewFaulty(memstore.New(nil)), lib: &library{shared: shared}}
				o := &session.Options{Adopt: s.lib.adopt(), Idle: time.Hour}
				if backup {
					o.Backup = testBackup(t)
				}
				s.m = mustNew(t, s.store, o)
				defer closed(t, s.m)
				time.Sleep(10 * time.Second)
				test(s)
			})
		})
	}
}

// does answers who the visitor is, when f has run.
func (s *adoptSite) does(f func(*session.Session)) http.Handler {
	return s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		f(x)
		fmt.Fprint(w, user.Or(x, ""))
	}))
}

func (s *adoptSite) shows() http.Handler { return s.does(func(*session.Session) {}) }

func (s *adoptSite) readOnly() http.Handler { return s.m.Require(s.m.ReadOnly(s.shows())) }

// saves returns a count of saves that are not the probes'.
func (s *adoptSite) saves() *atomic.Int32 {
	n := new(atomic.Int32)
	s.store.Before(func(op string, id session.ID) error {
		if op == "save" && !strings.HasPrefix(string(id), "probe-") {
			n.Add(1)
		}
		return nil
	})
	return n
}

func rotates(x *session.Session) { x.Rotate() }

// The visitor of a ReadOnly route has no token of ours, so that a thief with a copy
// of the old cookie may rotate the session before them.
func TestALogoutByTheOldCookieEndsWhatRotationsHaveMadeOfItsSession(t *testing.T) {
	for _, wait := range []time.Duration{time.Second, time.Minute} { // in the grace of a rotation, and after it
		testAdoption(t, false, func(s *adoptSite) {
			thief, owner := oldVisitor(), oldVisitor()
			wantWho(s.T, "the owner", owner.do(s.readOnly(), "/"), "200 bob")
			for range 2 {
				wantWho(s.T, "the thief", thief.do(s.does(rotates), "/"), "200 bob")
				time.Sleep(wait)
			}
			wantWho(s.T, "the logout", owner.do(s.does(func(x *session.Session) {
				if d, err := x.Destroy(s.Context()); d != session.Durable || err != nil {
					s.Errorf("the logout: got %v, %v", d, err)
				}
			}), "/"), "200 ")
			wantWho(s.T, "the thief after the logout", thief.do(s.shows(), "/"), "200 ")
		})
	}
}

func TestALoginBesideTheOldCookieEndsWhatRotationsHaveMadeOfItsSession(t *testing.T) {
	testAdoption(t, false, func(s *adoptSite) {
		thief, owner := oldVisitor(), oldVisitor()
		wantWho(s.T, "the thief", thief.do(s.does(rotates), "/"), "200 bob")
		time.Sleep(time.Minute)
		begin := s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, err := session.StartNew(r.Context())
			if err != nil {
				s.Error(err)
				return
			}
			user.Set(x, "erin")
		}))
		wantCode(s.T, owner.do(begin, "/"), 200)
		wantWho(s.T, "the owner", owner.do(s.shows(), "/"), "200 erin")
		wantWho(s.T, "the thief", thief.do(s.shows(), "/"), "200 ")
	})
}

// Two requests of a browser that has no token of ours yet: one rotates.
func TestTheOldCookieLeadsToTheSessionInTheGraceOfARotation(t *testing.T) {
	testAdoption(t, false, func(s *adoptSite) {
		first := oldVisitor()
		second := oldVisitor()
		reader := oldVisitor()
		wantWho(s.T, "the first visit", reader.do(s.readOnly(), "/"), "200 bob")
		time.Sleep(20 * time.Minute)
		for range 2 {
			wantWho(s.T, "the rotation", first.do(s.m.Require(s.does(rotates)), "/"), "200 bob")
			time.Sleep(time.Second)
		}
		wantWho(s.T, "a route that only reads", reader.do(s.readOnly(), "/"), "200 bob")
		if reader["__Host-session"] != "" {
			s.Error("a route that only reads sends a token")
		}
		wantWho(s.T, "the other request", second.do(s.m.Require(s.does(func(x *session.Session) { food.Set(x, "tofu") })), "/"), "200 bob")
		if second["__Host-session"] != first["__Host-session"] || second["old"] != "" {
			s.Errorf("the other request got the token %q, want that of the rotation, %q, and the old cookie dropped", second["__Host-session"], first["__Host-session"])
		}
		time.Sleep(10 * time.Second)
		wantWho(s.T, "both tokens", second.do(s.does(func(x *session.Session) {
			if got := food.Or(x, ""); got != "tofu" {
				s.Errorf("got %q, want what the other request has set", got)
			}
		}), "/"), "200 bob")
		wantWho(s.T, "the old cookie when the grace is over", reader.do(s.shows(), "/"), "200 ")
	})
}

// A copy of a session that is gone comes along with the old cookie: it is no copy
// of what the old session has become.
func TestWhatAnotherSessionHeldIsNotBroughtToTheOneThatWasAdopted(t *testing.T) {
	testAdoption(t, false, func(s *adoptSite) {
		v := oldJar{}
		wantCode(s.T, v.do(s.does(func(x *session.Session) { food.Set(x, "tofu") }), "/"), 200)
		time.Sleep(70 * time.Minute) // it expires
		first := oldVisitor()
		wantWho(s.T, "the rotation", first.do(s.does(rotates), "/"), "200 bob")
		time.Sleep(time.Second)
		v["old"] = oldToken
		wantWho(s.T, "the other", v.do(s.does(func(x *session.Session) {
			if got := food.Or(x, ""); got != "" {
				s.Errorf("got %q of another session", got)
			}
		}), "/"), "200 bob")
	})
}

// The old library has no session any more when a slow request asks it: a faster one
// has taken it.
func TestAnOldSessionThatIsTakenWhileItIsReadIsNotNobody(t *testing.T) {
	for _, path := range []string{"/", "/logout"} {
		old := &library{}
		a, store := old.ends(), memstore.New(nil)
		other := adopting(mustNew(t, store, &session.Options{Adopt: old.ends()}))
		fast := oldVisitor()
		read := a.Read
		a.Read = func(r *http.Request, s *session.Session) (time.Time, error) {
			wantWho(t, "the fast request", fast.do(other, "/"), "200 bob")
			return read(r, s)
		}
		slow := oldVisitor().do(adopting(mustNew(t, store, &session.Options{Adopt: a})), path)
		if path == "/" {
			wantWho(t, "the slow request", slow, "200 bob")
			continue
		}
		wantWho(t, "the slow logout", slow, "200 ")
		wantWho(t, "the fast request's token after the logout", fast.do(other, "/"), "200 ")
	}
}

// The store fails for a moment, and the handler asks again.
func TestReloadAsksAgainForAnOldSessionThatIsNotKnown(t *testing.T) {
	testAdoption(t, false, func(s *adoptSite) {
		for name, v := range map[string]oldJar{
			"only the old cookie": oldVisitor(),
			"and a token of ours": {"old": oldToken, "__Host-session": strings.Repeat("A", 43)},
		} {
			s.store.Fail(errRefused)
			var first, second, third error
			w := v.do(s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var x *session.Session
				x, first = session.From(r.Context())
				second = x.Reload(r.Context())
				s.store.Heal()
				for third = x.Reload(r.Context()); errors.Is(third, session.ErrUnavailable); third = x.Reload(r.Context()) {
					time.Sleep(time.Second)
				}
				fmt.Fprint(w, user.Or(x, ""))
			})), "/")
			if wantWho(s.T, name, w, "200 bob"); v["__Host-session"] == "" || v["old"] != "" {
				s.Errorf("%s: the answer sets %q, want a token of ours and no old cookie", name, w.Header()["Set-Cookie"])
			}
			if !errors.Is(first, session.ErrUnavailable) || !errors.Is(second, session.ErrUnavailable) || third != nil {
				s.Errorf("%s: got %v, then %v, then %v; want unavailable twice, and no error", name, first, second, third)
			}
		}
	})
}

// A request of the same browser is on its way with the old cookie while another
// one logs in: its answer must not put an empty session over the login's token.
func TestAWriteByTheOldCookieBesideALoginBeginsNoSession(t *testing.T) {
	for _, login := range []string{"/login", "/begin", "/logout"} {
		for _, taken := range []bool{true, false} {
			testAdoption(t, false, func(s *adoptSite) {
				browser, other := oldVisitor(), oldVisitor()
				if taken {
					wantWho(s.T, "before", browser.do(s.readOnly(), "/"), "200 bob")
				}
				wantCode(s.T, browser.do(adopting(s.m), login), 200)
				time.Sleep(time.Second)
				sets := s.does(func(x *session.Session) { food.Set(x, "tofu") })
				w := other.do(sets, "/")
				if w.Code != http.StatusServiceUnavailable || other["__Host-session"] != "" {
					s.Errorf("%s, taken %v: got %d and the token %q, want 503 and none", login, taken, w.Code, other["__Host-session"])
				}
				wantWho(s.T, login+": who only reads", other.do(s.shows(), "/"), "200 ")
				wantWho(s.T, login+": a route that requires", other.do(s.readOnly(), "/"), "403 session")
				wantCode(s.T, other.do(adopting(s.m), "/logout"), 200)
				other["old"] = oldToken
				time.Sleep(30 * time.Second)
				wantWho(s.T, login+": later", other.do(sets, "/"), "200 ")
				if other["__Host-session"] == "" {
					s.Errorf("%s, taken %v: half a minute later no session begins", login, taken)
				}
				want := map[string]string{"/login": "200 carol", "/begin": "200 erin", "/logout": "200 "}[login]
				wantWho(s.T, login+": the one who has logged in", browser.do(s.shows(), "/"), want)
			})
		}
	}
}

// A made-up token makes no record, whatever the old cookie led to.
func TestALogoutByAMadeUpTokenBesideAnEndedOldCookieWritesNothing(t *testing.T) {
	testAdoption(t, false, func(s *adoptSite) {
		wantCode(s.T, oldVisitor().do(adopting(s.m), "/begin"), 200)
		saves := s.saves()
		v := oldVisitor()
		v["__Host-session"] = strings.Repeat("A", 43)
		wantCode(s.T, v.do(adopting(s.m), "/logout"), 200)
		if n := saves.Load(); n != 0 {
			s.Errorf("%d saves, want none", n)
		}
	})
}

// The handler returns without a byte, so that the answer is put together twice.
func TestAnOldCookieIsDroppedOnceByAnAnswerThatIsPutTogetherAgain(t *testing.T) {
	testAdoption(t, false, func(s *adoptSite) {
		v := oldVisitor()
		w := v.do(returns(s.m, func(r *http.Request) { sessionOf(s.T, r) }, func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "older", Value: "kept"})
			user.Set(sessionOf(s.T, r), "carol")
			sessionOf(s.T, r).Renew()
			w.WriteHeader(http.StatusNotFound)
		}), "/")
		seen := map[string]int{}
		for _, c := range w.Result().Cookies() {
			seen[c.Name]++
		}
		for _, name := range []string{"old", "old.sig", "older", "__Host-session"} {
			if seen[name] != 1 {
				s.Errorf("got %q, want %s once", w.Header()["Set-Cookie"], name)
			}
		}
	})
}

// No answer of theirs can send the token of a session, and no marker leads to it:
// each request would leave one more behind.
func TestReadOnlyRoutesShowASharedOldSessionAndSaveNothing(t *testing.T) {
	testAdoption(t, true, func(s *adoptSite) {
		v, saves := oldVisitor(), s.saves()
		for range 10 {
			wantWho(s.T, "read-only", v.do(s.readOnly(), "/"), "200 bob")
		}
		reloads := s.m.ReadOnly(s.does(func(x *session.Session) {
			if err := x.Reload(s.Context()); err != nil || x.Source() != session.FromNowhere || x.ID() == "" {
				s.Errorf("reloaded: got %v, from %v, ID %q; want no error, from nowhere, and an ID", err, x.Source(), x.ID())
			}
			user.Set(x, "dave")
			if err := x.Err(); !errors.Is(err, session.ErrReadOnly) {
				s.Errorf("a write: got %v, want ErrReadOnly", err)
			}
		}))
		wantCode(s.T, v.do(reloads, "/"), http.StatusInternalServerError)
		if n := saves.Load(); n != 0 || v["__Host-session"] != "" || v["old"] == "" {
			s.Errorf("%d saves and the token %q, want none", n, v["__Host-session"])
		}
		// The next route that may write takes it, and a logout ends it for all.
		first, second := v.do(adopting(s.m), "/"), v.do(adopting(s.m), "/readonly")
		wantWho(s.T, "taken", first, "200 bob")
		if wantWho(s.T, "read-only with our token", second, "200 bob"); idOf(first) != idOf(second) {
			s.Errorf("got sessions %s and %s, want one", idOf(first), idOf(second))
		}
		wantCode(s.T, v.do(adopting(s.m), "/logout"), 200)
		wantWho(s.T, "after the logout", oldVisitor().do(s.readOnly(), "/"), "403 session")
	})
}

// The first request of a visitor with a shared old cookie may do anything.
func TestASharedOldSessionIsSavedByTheAnswerThatSendsItsToken(t *testing.T) {
	for what, test := range map[string]struct {
		f    func(*session.Session)
		want string // afterwards
	}{
		"reads":   {func(x *session.Session) { user.Or(x, "") }, "200 bob"},
		"sets":    {func(x *session.Session) { user.Set(x, "dave") }, "200 dave"},
		"saves":   {func(x *session.Session) { user.Set(x, "dave"); x.Save(context.Background()) }, "200 dave"},
		"rotates": {rotates, "200 bob"},
		"renews":  {func(x *session.Session) { x.Renew(); user.Set(x, "carol") }, "200 carol"},
		"reloads": {func(x *session.Session) { user.Set(x, "dave"); x.Reload(context.Background()) }, "200 dave"},
		"ends":    {func(x *session.Session) { x.Destroy(context.Background()) }, "200 "},
	} {
		testAdoption(t, true, func(s *adoptSite) {
			v := oldVisitor()
			var before, after session.ID
			first := v.do(s.does(func(x *session.Session) {
				test.f(x)
				before = x.ID()
			}), "/")
			wantCode(s.T, first, 200)
			if v["old"] != "" || (v["__Host-session"] == "") != (test.want == "200 ") {
				s.Errorf("%s: the answer sets %q", what, first.Header()["Set-Cookie"])
			}
			time.Sleep(time.Minute)
			wantWho(s.T, what, v.do(s.does(func(x *session.Session) { after = x.ID() }), "/"), test.want)
			if before != after {
				s.Errorf("%s: the ID was %q, and is %q", what, before, after)
			}
			want := "200 bob"
			if what == "ends" {
				want = "200 "
			}
			wantWho(s.T, what+": another visitor", oldVisitor().do(s.shows(), "/"), want)
		})
	}
}
