package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

// withLimit runs do on managers with this limit, with and without a backup.
func withLimit(t *testing.T, limit session.PerUser, do func(h *household)) {
	t.Helper()
	inHousehold(t, "without a backup", func(*testing.T) *session.Options { return &session.Options{PerUser: limit} }, do)
	inHousehold(t, "with a backup", func(t *testing.T) *session.Options {
		return &session.Options{PerUser: limit, Backup: testBackup(t)}
	}, do)
}

func loggedIn(v *sessiontest.Visitor) bool { return v.Session().User() != "" }

func TestALoginBeyondTheLimitEndsTheSessionSeenLongestAgo(t *testing.T) {
	withLimit(t, session.PerUser{Most: 2}, func(h *household) {
		first := h.login("ann", "firefox")
		time.Sleep(time.Minute)
		second := h.login("ann", "safari")
		other := h.login("bob", "edge")
		time.Sleep(4 * time.Minute)
		inRequest(first, h.m, read) // a refresh: the second one was seen longest ago now
		time.Sleep(time.Second)
		third := h.login("ann", "chrome")
		for name, want := range map[*sessiontest.Visitor]bool{first: true, second: false, third: true, other: true} {
			if got := loggedIn(name); got != want {
				h.Errorf("the session of %s is there: %v, want %v", color.Or(name.Session(), "?"), got, want)
			}
		}
		h.want("ann", "chrome firefox")
		time.Sleep(time.Minute)
		inRequest(third, h.m, loginOf("ann")) // which is the same session under another ID
		synctest.Wait()
		h.want("ann", "chrome firefox")
		if !loggedIn(first) {
			h.Error("a session that logs in again has ended another one")
		}
	})
}

// A session that was ended elsewhere, which the list does not know yet, takes up no place.
func TestWhatHasEndedTakesUpNoPlace(t *testing.T) {
	for name, refuse := range map[string]bool{"ending the oldest": false, "refusing": true} {
		t.Run(name, func(t *testing.T) {
			withLimit(t, session.PerUser{Most: 2, Refuse: refuse}, func(h *household) {
				first := h.login("ann", "firefox")
				time.Sleep(time.Second)
				second := h.login("ann", "safari")
				if _, err := h.m.Revoke(h.Context(), second.Session().ID()); err != nil {
					h.Fatal(err)
				}
				time.Sleep(time.Second)
				third := h.login("ann", "chrome")
				if !loggedIn(first) || !loggedIn(third) {
					h.Errorf("first is logged in: %v, third: %v", loggedIn(first), loggedIn(third))
				}
				h.want("ann", "chrome firefox")
			})
		})
	}
}

func TestALoginBeyondTheLimitIsRefused(t *testing.T) {
	withLimit(t, session.PerUser{Most: 2, Refuse: true}, func(h *household) {
		first := h.login("ann", "firefox")
		time.Sleep(time.Second)
		second := h.login("ann", "safari")
		third := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) { color.Set(s, "chrome") })
		id := third.Session().ID()
		if got := inRequest(third, h.m, loginOf("ann")); got != http.StatusConflict {
			h.Errorf("the login was answered %d, want 409", got)
		}
		if s := third.Session(); s.User() != "" || s.ID() != id || color.Or(s, "") != "chrome" {
			h.Errorf("after it the session %s, before %s, has user %q and color %q", s.ID(), id, s.User(), color.Or(s, ""))
		}
		inRequest(third, h.m, func(s *session.Session) {
			s.SetUser("ann")
			if _, err := s.Save(h.Context()); !errors.Is(err, session.ErrTooManySessions) {
				h.Errorf("Save: %v", err)
			}
		})
		if got := inRequest(second, h.m, loginOf("ann")); got != http.StatusNoContent {
			h.Errorf("a session of the list was answered %d when it logged in again", got)
		}
		if got := inRequest(third, h.m, loginOf("bob")); got != http.StatusNoContent {
			h.Errorf("the login of another user was answered %d", got)
		}
		inRequest(first, h.m, func(s *session.Session) { _, _ = s.Destroy(h.Context()) })
		synctest.Wait()
		if got := inRequest(third, h.m, loginOf("ann")); got != http.StatusNoContent {
			h.Errorf("the login was answered %d after a logout", got)
		}
		time.Sleep(4 * time.Minute)
		inRequest(third, h.m, read)
		synctest.Wait()
		h.want("ann", "chrome safari")
	})
}

// Of logins at once no more succeed than there are places, and those that fail leave none
// taken.
func TestLoginsAtOnceKeepTheLimit(t *testing.T) {
	withLimit(t, session.PerUser{Most: 3, Refuse: true}, func(h *household) {
		h.store.Delay(time.Millisecond)
		other := mustNew(h.T, h.store, &session.Options{PerUser: session.PerUser{Most: 3, Refuse: true}})
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for i := range 12 {
			m := h.m
			if i%2 == 0 {
				m = other
			}
			v := sessiontest.NewVisitor(h.T, m)
			wg.Go(func() {
				code := inRequest(v, m, loginOf("ann"))
				mu.Lock()
				defer mu.Unlock()
				codes[code]++
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		h.store.Heal()
		all, err := h.m.Sessions(h.Context(), "ann")
		if codes[http.StatusNoContent] != 3 || len(all) != 3 || err != nil {
			h.Errorf("answers %v, and %d sessions, %v; want 3", codes, len(all), err)
		}
		if _, err := h.m.Revoke(h.Context(), all[0].ID); err != nil {
			h.Fatal(err)
		}
		if got := inRequest(sessiontest.NewVisitor(h.T, h.m), h.m, loginOf("ann")); got != http.StatusNoContent {
			h.Errorf("a login after one has ended was answered %d", got)
		}
	})
}

// For a minute after a revocation the logins of its user have one clock value.
func TestLoginsAfterARevocationKeepTheLimit(t *testing.T) {
	withLimit(t, session.PerUser{Most: 1, Refuse: true}, func(h *household) {
		if _, err := h.m.RevokeUser(h.Context(), "ann"); errors.Is(err, errors.ErrUnsupported) {
			return // without a backup there is no such minute
		} else if err != nil {
			h.Fatal(err)
		}
		h.store.Delay(10 * time.Millisecond)
		var wg sync.WaitGroup
		codes := make(chan int, 3)
		for range 3 {
			v := sessiontest.NewVisitor(h.T, h.m)
			wg.Go(func() { codes <- inRequest(v, h.m, loginOf("ann")) })
			time.Sleep(25 * time.Millisecond) // the login before has its place, and is not saved
		}
		wg.Wait()
		close(codes)
		in := 0
		for code := range codes {
			if code == http.StatusNoContent {
				in++
			}
		}
		if in != 1 {
			h.Errorf("%d of three are logged in, want one", in)
		}
	})
}

// A login that fails when its place is taken gives the place back.
func TestALoginThatFailsTakesUpNoPlace(t *testing.T) {
	inHousehold(t, "", func(*testing.T) *session.Options {
		return &session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}}
	}, func(h *household) {
		v := sessiontest.NewVisitor(h.T, h.m)
		h.store.Before(func(op string, id session.ID) error {
			if op == "save" && !strings.HasPrefix(string(id), "user-") {
				return errors.New("connection refused")
			}
			return nil
		})
		if got := inRequest(v, h.m, loginOf("ann")); got != http.StatusServiceUnavailable {
			h.Errorf("the login was answered %d, want 503", got)
		}
		h.store.Before(func(string, session.ID) error { return nil })
		synctest.Wait()
		if got := inRequest(v, h.m, loginOf("ann")); got != http.StatusNoContent {
			h.Errorf("the next login was answered %d", got)
		}
	})
}

// A process that ends between the reservation and the login leaves a place taken for half a
// minute.
func TestAReservationIsOverAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}}
		store := memstore.New(nil)
		m := mustNew(t, store, o)
		ended := mustNew(t, store, o)
		if err := ended.Close(t.Context()); err != nil { // so that nothing in the background follows
			t.Fatal(err)
		}
		v := sessiontest.NewVisitor(t, ended)
		if got := inRequest(v, ended, func(s *session.Session) {
			s.SetUser("ann")
			color.Set(s, "red")
		}); got != http.StatusNoContent {
			t.Fatal(got)
		}
		other := sessiontest.NewVisitor(t, m)
		if got := inRequest(other, m, loginOf("ann")); got != http.StatusConflict {
			t.Errorf("at once: %d, want 409", got)
		}
		time.Sleep(31 * time.Second)
		if got := inRequest(other, m, loginOf("ann")); got != http.StatusNoContent {
			t.Errorf("later: %d", got)
		}
	})
}

// More sessions than the limit allows are logged in, because no login is refused in an outage.
// RevokeOthers is no login, and leaves one.
func TestRevokeOthersIsNotRefused(t *testing.T) {
	for name, login := range map[string]func(*session.Session){
		"of a session that is logged in": func(*session.Session) {},
		"beside a login":                 loginOf("ann"),
	} {
		t.Run(name, func(t *testing.T) {
			testUsers(t, session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}}, func(s userSite) {
				s.store.Fail(errRefused)
				s.after(3 * time.Second)
				thief, v := s.logsIn(s.a, "ann"), s.logsIn(s.a, "ann")
				s.heal()
				for range 5 {
					s.holds(s.a, thief)
					s.holds(s.a, v)
					s.after(time.Minute)
				}
				s.serve(s.a, v, func(x *session.Session) {
					login(x)
					if d, err := x.RevokeOthers(s.Context()); d != session.Durable || err != nil {
						s.Errorf("RevokeOthers: %v, %v", d, err)
					}
				})
				s.after(3 * time.Second)
				s.wantAtBoth(thief, "-")
				s.wantAtBoth(v, "red/")
			})
		})
	}
}

// inAnotherTab returns a visitor with the cookies of v.
func (h *household) inAnotherTab(v *sessiontest.Visitor) *sessiontest.Visitor {
	w := sessiontest.NewVisitor(h.T, h.m)
	out := http.Header{}
	for _, c := range v.Request(http.MethodGet, "/", nil).Cookies() {
		out.Add("Set-Cookie", c.Name+"="+c.Value)
	}
	w.Keep(&http.Response{Header: out})
	return w
}

// The session that a login replaces takes up no place, whichever way it is replaced, and also where
// another request has rotated its token meanwhile.
func TestALoginIsNotRefusedForTheSessionThatItReplaces(t *testing.T) {
	again := func(h *household, r *http.Request) *session.Session {
		s, err := session.From(r.Context())
		if err != nil {
			h.Error(err)
		}
		return s
	}
	anew := func(h *household, r *http.Request) *session.Session {
		s, err := session.StartNew(r.Context())
		if err != nil {
			h.Error(err)
		}
		return s
	}
	for name, of := range map[string]func(*household, *http.Request) *session.Session{"in the session": again, "by StartNew": anew} {
		for _, rotated := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, rotated %v", name, rotated), func(t *testing.T) {
				withLimit(t, session.PerUser{Most: 1, Refuse: true}, func(h *household) {
					v := h.login("ann", "firefox")
					tab := h.inAnotherTab(v)
					code := v.Get(h.m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						s := of(h, r)
						if rotated {
							inRequest(tab, h.m, (*session.Session).Rotate)
							time.Sleep(time.Second) // the password is checked
						}
						s.SetUser("ann")
						color.Set(s, "chrome")
					}), "/").StatusCode
					if code != http.StatusOK {
						h.Errorf("the login was answered %d", code)
					}
					synctest.Wait()
					if loggedIn(tab) {
						h.Error("the session that was replaced is logged in")
					}
					h.want("ann", "chrome")
					if code := inRequest(sessiontest.NewVisitor(h.T, h.m), h.m, loginOf("ann")); code != http.StatusConflict {
						h.Errorf("a login elsewhere was answered %d", code)
					}
				})
			})
		}
	}
}

// A login does not depend on a list that cannot be read.
func TestNoLoginIsRefusedWhileTheStoreIsAway(t *testing.T) {
	inHousehold(t, "", func(t *testing.T) *session.Options {
		return &session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}, Backup: testBackup(t)}
	}, func(h *household) {
		h.login("ann", "firefox")
		v := h.login("bob", "safari")
		h.store.Fail(errors.New("connection refused"))
		time.Sleep(time.Minute)
		if got := inRequest(v, h.m, loginOf("ann")); got != http.StatusNoContent {
			h.Errorf("the login was answered %d", got)
		}
		if !loggedIn(v) {
			h.Error("it has no effect")
		}
		h.store.Heal()
	})
}

// Logins of an outage, at two instances that do not hear of each other, keep to the limit when the
// store is back and each has been used for one refresh interval. With Refuse they stay.
func TestLoginsOfAnOutageKeepToTheLimitAfterIt(t *testing.T) {
	for refuse, want := range map[bool]int{false: 2, true: 6} {
		testUsers(t, session.Options{PerUser: session.PerUser{Most: 2, Refuse: refuse}}, func(s userSite) {
			s.store.Fail(errRefused)
			s.after(3 * time.Second)
			var all []*sessiontest.Visitor
			for range 3 {
				all = append(all, s.logsIn(s.a, "ann"), s.logsIn(s.b, "ann"))
			}
			s.heal()
			live := 0
			for minute := range 5 { // one interval is three minutes
				live = 0
				for i, v := range all {
					if s.holds([]*session.Manager{s.a, s.b}[(i+minute)%2], v) == "red/" {
						live++
					}
				}
				s.after(time.Minute)
			}
			found, err := s.a.Sessions(s.Context(), "ann")
			if live != want || len(found) != want || err != nil {
				t.Errorf("refuse %v: %d are logged in, and %d listed, %v; want %d", refuse, live, len(found), err, want)
			}
		})
	}
}

func TestTheLimitIsChecked(t *testing.T) {
	for n, want := range map[int]bool{-1: false, 0: true, 100: true, 101: false} {
		m, err := session.New(memstore.New(nil), &session.Options{PerUser: session.PerUser{Most: n}})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "PerUser.Most") {
			t.Errorf("PerUser.Most %d: %v", n, err)
		}
		if err == nil {
			_ = m.Close(context.Background())
		}
	}
	_, err := session.New(memstore.New(nil), &session.Options{PerUser: session.PerUser{Most: 1}, Format: formatOfAnotherModule{}})
	if err == nil || !strings.Contains(err.Error(), "PerUser needs sessions that know their user") {
		t.Errorf("with a Format: %v", err)
	}
}
