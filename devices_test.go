package session_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// household is visitors of one application who log in as a few users.
type household struct {
	*testing.T
	store  *storetest.Faulty
	m      *session.Manager
	backup bool

	mu    sync.Mutex
	calls map[string]int // of loads and saves of lists, and of all others
}

func newHousehold(t *testing.T, o *session.Options) *household {
	h := &household{T: t, store: storetest.NewFaulty(memstore.New(nil)), calls: map[string]int{}, backup: o != nil && o.Backup != nil}
	h.store.Before(func(op string, id session.ID) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if strings.HasPrefix(string(id), "user-") {
			op += " list"
		}
		h.calls[op]++
		return nil
	})
	h.m = mustNew(t, h.store, o)
	return h
}

// login returns a visitor who has logged in with a browser.
func (h *household) login(name, browser string) *sessiontest.Visitor {
	h.Helper()
	v := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) {
		color.Set(s, browser)
		s.SetUser(name)
	})
	synctest.Wait()
	return v
}

// list returns the browsers of a user's sessions in order. The current one has an asterisk.
func (h *household) list(ctx context.Context, name string) string {
	h.Helper()
	all, err := h.m.Sessions(ctx, name)
	if err != nil {
		h.Errorf("the sessions of %s: %v", name, err)
	}
	synctest.Wait()
	return describe(all)
}

func describe(all []session.View) string {
	var out []string
	for _, v := range all {
		browser, err := color.In(&v)
		if err != nil {
			browser = "?"
		}
		if v.Current {
			browser += "*"
		}
		out = append(out, browser)
	}
	return strings.Join(out, " ")
}

func (h *household) want(name, want string) {
	h.Helper()
	if got := h.list(h.Context(), name); got != want {
		h.Errorf("the sessions of %s: got %q, want %q", name, got, want)
	}
}

// took returns what was asked of the store since it was called last.
func (h *household) took() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, op := range slices.Sorted(maps.Keys(h.calls)) {
		out = append(out, fmt.Sprintf("%d %s", h.calls[op], op))
	}
	clear(h.calls)
	return strings.Join(out, ", ")
}

// loseList removes the list of a user from the store, as an eviction does.
func (h *household) loseList(name string) {
	h.Helper()
	r := session.Record{Expires: time.Now().Add(-time.Hour)}
	if _, err := h.store.Save(h.Context(), session.ID(devices.ID(name)), r, session.Any); err != nil {
		h.Fatal(err)
	}
}

// evict removes a visitor's session from the store.
func (h *household) evict(v *sessiontest.Visitor) {
	h.Helper()
	gone := session.Record{Expires: time.Now().Add(-time.Hour)}
	if _, err := h.store.Save(h.Context(), v.Session().ID(), gone, session.Any); err != nil {
		h.Fatal(err)
	}
}

func read(s *session.Session) { _ = s.ID() }

func inHousehold(t *testing.T, name string, o func(*testing.T) *session.Options, do func(h *household)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHousehold(t, o(t))
			time.Sleep(time.Minute) // the quarantine of a new store, where there is a backup
			do(h)
		})
	})
}

// withAndWithoutBackup runs do on a manager with the backup and on one without.
func withAndWithoutBackup(t *testing.T, do func(h *household)) {
	t.Helper()
	inHousehold(t, "without a backup", func(*testing.T) *session.Options { return nil }, do)
	inHousehold(t, "with a backup", func(t *testing.T) *session.Options { return &session.Options{Backup: testBackup(t)} }, do)
}

func TestAUsersSessionsAreListed(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		h.want("ann", "")
		began := time.Now()
		h.login("ann", "firefox")
		time.Sleep(time.Second)
		phone := h.login("ann", "safari")
		h.login("bob", "edge")
		h.want("ann", "safari firefox")
		h.want("bob", "edge")
		time.Sleep(time.Second)
		inRequest(phone, h.m, func(s *session.Session) { color.Set(s, "chrome") })
		h.want("ann", "chrome firefox")
		all, err := h.m.Sessions(h.Context(), "ann")
		if err != nil || len(all) != 2 {
			h.Fatalf("got %v, %v", all, err)
		}
		if v := all[1]; !v.Began.Equal(began) || !v.Renewed.Equal(began) || !v.Seen.Equal(began) || !v.LoggedIn.Equal(began) || v.User != "ann" || v.Current || v.Incomplete {
			h.Errorf("the first session: %+v, want one of %v", v, began)
		}
		if v := all[0]; v.ID != phone.Session().ID() || !v.Seen.Equal(began.Add(2*time.Second)) || !v.Expires.Equal(v.Seen.Add(30*time.Minute)) {
			h.Errorf("the second session: %+v", v)
		}
	})
}

func TestTheCurrentSessionIsMarked(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		time.Sleep(time.Second)
		h.login("ann", "safari")
		ran := false
		v.Get(h.m.Handler(ask(h.T, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			read(s)
			ran = true
			if got := h.list(r.Context(), "ann"); got != "safari firefox*" {
				h.Errorf("got %q", got)
			}
			if got := h.list(r.Context(), "bob"); got != "" {
				h.Errorf("the sessions of bob: %q", got)
			}
			if o, err := h.m.Open(r.Context(), s.ID()); err != nil || !o.Current {
				h.Errorf("opened: %+v, %v", o, err)
			}
		})), "/")
		if !ran {
			h.Error("the handler did not run")
		}
	})
}

// The handler need not have asked for its session.
func TestTheCurrentSessionIsMarkedWithoutFrom(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		list := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := h.list(r.Context(), "ann"); got != "firefox*" {
				h.Errorf("got %q", got)
			}
		})
		v.Get(h.m.Handler(list), "/")
		v.Get(h.m.ReadOnly(list), "/")
	})
}

// However a session ends, it is not shown from then on.
func TestWhatHasEndedIsNotListed(t *testing.T) {
	for name, end := range map[string]func(h *household, v *sessiontest.Visitor){
		"by a logout": func(h *household, v *sessiontest.Visitor) {
			inRequest(v, h.m, func(s *session.Session) { _, _ = s.Destroy(h.Context()) })
		},
		"by an administrator": func(h *household, v *sessiontest.Visitor) {
			if _, err := h.m.Revoke(h.Context(), v.Session().ID()); err != nil {
				h.Error(err)
			}
		},
		"by its idle timeout": func(h *household, _ *sessiontest.Visitor) { time.Sleep(34 * time.Minute) },
		"by another login":    func(h *household, v *sessiontest.Visitor) { inRequest(v, h.m, loginOf("bob")) },
		"by StartNew": func(h *household, v *sessiontest.Visitor) {
			v.Get(h.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.StartNew(r.Context())
				if err != nil {
					h.Error(err)
				}
				color.Set(s, "none")
			})), "/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			withAndWithoutBackup(t, func(h *household) {
				v := h.login("ann", "firefox")
				time.Sleep(time.Second)
				kept := h.login("ann", "safari")
				time.AfterFunc(20*time.Minute, func() { inRequest(kept, h.m, read) })
				end(h, v)
				synctest.Wait()
				h.want("ann", "safari")
			})
		})
	}
}

// A logout takes a session out of the list, so that the list does not grow by those that have
// ended.
func TestALogoutTakesTheSessionOutOfTheList(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		inRequest(v, h.m, func(s *session.Session) { _, _ = s.Destroy(h.Context()) })
		h.took()
		h.want("ann", "")
		if got := h.took(); got != "1 load list" {
			h.Errorf("listing what is left took %s", got)
		}
	})
}

// Under a new ID a session is listed once.
func TestASessionIsListedUnderTheIDThatItHas(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		for name, change := range map[string]func(*session.Session){
			"Renew": (*session.Session).Renew, "Rotate": (*session.Session).Rotate, "SetUser": loginOf("ann"),
		} {
			inRequest(v, h.m, change)
			synctest.Wait()
			all, err := h.m.Sessions(h.Context(), "ann")
			if err != nil || len(all) != 1 || all[0].ID != v.Session().ID() {
				h.Errorf("after %s: %+v, %v", name, all, err)
			}
		}
	})
}

// A list that the store has lost is complete again when each session was in use for one more
// refresh interval, whether it is only read or written with each request.
func TestALostListIsCompleteAfterOneRefreshInterval(t *testing.T) {
	for name, use := range map[string]func(i int) func(*session.Session){
		"read":    func(int) func(*session.Session) { return read },
		"written": func(i int) func(*session.Session) { return func(s *session.Session) { count.Set(s, i) } },
	} {
		t.Run(name, func(t *testing.T) {
			withAndWithoutBackup(t, func(h *household) {
				var all []*sessiontest.Visitor
				var names []string
				for i := range 12 {
					names = append(names, fmt.Sprintf("browser%02d", i))
					all = append(all, h.login("ann", names[i]))
					time.Sleep(7 * time.Second)
				}
				for round := range 4 {
					h.loseList("ann")
					h.want("ann", "")
					for i := range 19 { // one interval is three minutes
						for _, v := range all {
							inRequest(v, h.m, use(100*round+i))
						}
						time.Sleep(10 * time.Second)
					}
					synctest.Wait()
					got := strings.Fields(h.list(h.Context(), "ann"))
					slices.Sort(got)
					if !slices.Equal(got, names) {
						h.Fatalf("round %d: got %q", round, got)
					}
				}
			})
		})
	}
}

// A session whose own idle timeout is shorter than Options.Refresh registers as often as its
// expiry is put off: it stays listed while it is in use, and keeps its place.
func TestASessionWithAShortStayKeepsItsPlace(t *testing.T) {
	inHousehold(t, "", func(t *testing.T) *session.Options {
		return &session.Options{Idle: 24 * time.Hour, Lifetime: 48 * time.Hour, Backup: testBackup(t), PerUser: session.PerUser{Most: 1, Refuse: true}}
	}, func(h *household) {
		v := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) {
			color.Set(s, "terminal")
			s.SetUser("ann")
			s.Remember(session.Stay{Idle: 10 * time.Minute})
		})
		for i := range 8 {
			time.Sleep(4 * time.Minute)
			if inRequest(v, h.m, read); !loggedIn(v) {
				h.Fatalf("%d: not logged in", i)
			}
			synctest.Wait()
			h.want("ann", "terminal")
			if code := inRequest(sessiontest.NewVisitor(h.T, h.m), h.m, loginOf("ann")); code != http.StatusConflict {
				h.Errorf("%d: the second login was answered %d", i, code)
			}
		}
		time.Sleep(12 * time.Minute)
		h.want("ann", "")
	})
}

// Nobody's sessions are not listed, the anonymous one of the request included.
func TestNobodyHasNoSessions(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) { color.Set(s, "red") })
		v.Get(h.m.Handler(ask(h.T, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			read(s)
			if all, err := h.m.Sessions(r.Context(), s.User()); len(all) != 0 || err != nil {
				h.Errorf("got %+v, %v", all, err)
			}
		})), "/")
	})
}

// A request whose session has ended meanwhile does not list it, and lists it where only the list lacks it.
func TestARequestListsItsSessionUntilItHasEnded(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		v.Get(h.m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			h.loseList("ann")
			if got := h.list(r.Context(), "ann"); got != "firefox*" {
				h.Errorf("without a list: got %q", got)
			}
			if _, err := h.m.Revoke(r.Context(), s.ID()); err != nil {
				h.Error(err)
			}
			if got := h.list(r.Context(), "ann"); got != "" {
				h.Errorf("after its end: got %q", got)
			}
		}), "/")
	})
}

// The store commands of each kind of request, apart from those for the session itself.
func TestWhatAListCosts(t *testing.T) {
	inHousehold(t, "", func(*testing.T) *session.Options { return nil }, func(h *household) {
		h.took()
		v := h.login("ann", "firefox")
		if got, want := h.took(), "1 load list, 1 save, 1 save list"; got != want {
			h.Errorf("a login: %s, want %s", got, want)
		}
		step := func(name string, do func(*session.Session), want string) {
			h.Helper()
			inRequest(v, h.m, do)
			if got := h.took(); got != want {
				h.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		step("a read", read, "1 load")
		step("a write", func(s *session.Session) { count.Set(s, 1) }, "1 load, 1 save")
		step("a login again", loginOf("ann"), "1 load, 1 load list, 2 save, 1 save list")
		time.Sleep(4 * time.Minute)
		step("a read with a refresh", read, "1 load, 1 load list, 1 save, 1 save list")
		step("a read after it", read, "1 load")
		time.Sleep(4 * time.Minute)
		step("a write in the next interval", func(s *session.Session) { count.Set(s, 2) }, "1 load, 1 load list, 1 save, 1 save list")
		step("a write after it", func(s *session.Session) { count.Set(s, 3) }, "1 load, 1 save")
		step("a logout", func(s *session.Session) { _, _ = s.Destroy(h.Context()) }, "1 load, 1 load list, 1 save, 1 save list")

		v = sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) { color.Set(s, "red") })
		h.took()
		time.Sleep(4 * time.Minute)
		step("a refresh without a user", read, "1 load, 1 save")
		step("a Renew without a user", (*session.Session).Renew, "1 load, 2 save")
		step("a logout without a user", func(s *session.Session) { _, _ = s.Destroy(h.Context()) }, "1 load, 1 save")
	})
}

// With a backup a login loads the revocation of its user before, so that it counts wherever
// the user was revoked. No other request asks the store for more because of a user, except for
// the list, where the session has another ID, is refreshed or ends.
func TestWhatAUserCostsWithABackup(t *testing.T) {
	inHousehold(t, "", func(t *testing.T) *session.Options { return &session.Options{Backup: testBackup(t)} }, func(h *household) {
		h.took()
		user := h.login("ann", "firefox")
		if got, want := h.took(), "1 load, 1 load list, 1 save, 1 save list"; got != want {
			h.Errorf("a login: %s, want %s", got, want)
		}
		stranger := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) { color.Set(s, "red") })
		if got, want := h.took(), "1 save"; got != want {
			h.Errorf("a session without a login: %s, want %s", got, want)
		}
		logout := func(s *session.Session) { _, _ = s.Destroy(h.Context()) }
		for _, step := range []struct {
			name        string
			after       time.Duration
			do          func(*session.Session)
			without, by string
		}{
			{"a read", 0, read, "1 load", "1 load"},
			{"a write", 0, func(s *session.Session) { count.Set(s, 1) }, "1 load, 1 save", "1 load, 1 save"},
			{"a read with a refresh", 4 * time.Minute, read, "1 load, 1 save", "1 load, 1 load list, 1 save, 1 save list"},
			{"a Renew", 0, (*session.Session).Renew, "1 load, 3 save", "1 load, 1 load list, 3 save, 1 save list"}, // one of them of the revocation log
			{"a read after it", 0, read, "1 load", "1 load"},
			{"a logout", 0, logout, "1 load, 2 save", "1 load, 1 load list, 2 save, 1 save list"},
		} {
			time.Sleep(step.after)
			h.took() // of the probes meanwhile
			inRequest(stranger, h.m, step.do)
			without := h.took()
			inRequest(user, h.m, step.do)
			if by := h.took(); without != step.without || by != step.by {
				h.Errorf("%s: %s without a user, want %s; %s by a user, want %s", step.name, without, step.without, by, step.by)
			}
		}
	})
}

// The answer of a login does not wait for the list. Close does.
func TestCloseWaitsForTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := mustNew(t, store, &session.Options{SaveTimeout: time.Minute, ReadTimeout: time.Minute})
		began := time.Now()
		store.Delay(10 * time.Second)
		sessiontest.NewVisitor(t, m, loginOf("ann"))
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("the login took %v, and its save takes 10 s", took)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("Close returned after %v, want after the load and the save of the list", took)
		}
		store.Heal()
		all, err := mustNew(t, store, nil).Sessions(t.Context(), "ann")
		if err != nil || len(all) != 1 {
			t.Errorf("got %v, %v", all, err)
		}
	})
}

// In an outage the list says that it is not complete, and has the session of the request.
func TestAListInAnOutage(t *testing.T) {
	inHousehold(t, "", func(t *testing.T) *session.Options { return &session.Options{Backup: testBackup(t)} }, func(h *household) {
		v := h.login("ann", "firefox")
		h.login("ann", "safari")
		h.store.Fail(errors.New("connection refused"))
		time.Sleep(time.Minute)
		ran := false
		v.Get(h.m.Handler(ask(h.T, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			id := s.ID()
			all, err := h.m.Sessions(r.Context(), "ann")
			if ran = true; !errors.Is(err, session.ErrUnavailable) || describe(all) != "firefox*" {
				h.Errorf("got %q, %v", describe(all), err)
			}
			if _, err := h.m.Open(r.Context(), "0123456789abcdef0123456789abcdef"); !errors.Is(err, session.ErrUnavailable) {
				h.Errorf("opened another session: %v", err)
			}
			if len(all) > 0 && all[0].ID != id {
				h.Errorf("the current session is %s, want %s", all[0].ID, id)
			}
		})), "/")
		if !ran {
			h.Error("the handler did not run")
		}
		if got := inRequest(v, h.m, loginOf("ann")); got != http.StatusNoContent {
			h.Errorf("a login in the outage was answered %d", got)
		}
		h.store.Heal()
		time.Sleep(4 * time.Minute)
		inRequest(v, h.m, read)
		synctest.Wait()
		h.want("ann", "firefox safari")
	})
}

// A session whose record the store has evicted, and that may live by its visitor's copy, is
// listed with what the list has.
func TestASessionThatTheStoreLacksIsIncomplete(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		id := v.Session().ID()
		gone := session.Record{Expires: time.Now().Add(-time.Hour)}
		if _, err := h.store.Save(h.Context(), id, gone, session.Any); err != nil {
			h.Fatal(err)
		}
		all, err := h.m.Sessions(h.Context(), "ann")
		if err != nil {
			h.Fatal(err)
		}
		if !h.backup {
			if len(all) != 0 {
				h.Errorf("got %+v: without a backup the session has ended", all)
			}
			return
		}
		if len(all) != 1 || all[0].ID != id || !all[0].Incomplete || all[0].User != "ann" {
			h.Fatalf("got %+v", all)
		}
		if _, err := color.In(&all[0]); !errors.Is(err, session.ErrUnavailable) {
			h.Errorf("its value: %v", err)
		}
		inRequest(v, h.m, read)
		h.want("ann", "firefox")
	})
}

// A session that the store lacks, and of which only the list tells, has ended where its login was
// revoked. It takes up no place then.
func TestARevokedSessionThatTheStoreLacksIsNotListed(t *testing.T) {
	ends := map[string]func(*household) (session.Durability, error){
		"RevokeUser":   func(h *household) (session.Durability, error) { return h.m.RevokeUser(h.Context(), "ann") },
		"RevokeBefore": func(h *household) (session.Durability, error) { return h.m.RevokeBefore(h.Context(), time.Now()) },
	}
	for name, end := range ends {
		inHousehold(t, name, func(t *testing.T) *session.Options {
			return &session.Options{Backup: testBackup(t), PerUser: session.PerUser{Most: 1, Refuse: true}}
		}, func(h *household) {
			v := h.login("ann", "firefox")
			h.evict(v)
			h.want("ann", "?")
			if code := inRequest(sessiontest.NewVisitor(h.T, h.m), h.m, loginOf("ann")); code != http.StatusConflict {
				h.Errorf("while it may live by its copy, the next login was answered %d", code)
			}
			time.Sleep(time.Second)
			if d, err := end(h); d != session.Durable || err != nil {
				h.Fatal(d, err)
			}
			h.want("ann", "")
			w := sessiontest.NewVisitor(h.T, h.m)
			if code := inRequest(w, h.m, loginOf("ann")); code != http.StatusNoContent {
				h.Errorf("the next login was answered %d", code)
			}
			synctest.Wait()
			h.evict(w)
			h.want("ann", "?")
			if loggedIn(v) || !loggedIn(w) {
				h.Errorf("the first is logged in: %v, the second: %v", loggedIn(v), loggedIn(w))
			}
		})
	}
}

// The list says when a session ends that it alone tells of, also where Remember has said how long it lasts.
func TestAnIncompleteSessionEndsWhenItDoes(t *testing.T) {
	for _, idle := range []time.Duration{0, 10 * time.Minute, 14 * 24 * time.Hour} {
		inHousehold(t, idle.String(), func(t *testing.T) *session.Options {
			return &session.Options{MaxLifetime: 30 * 24 * time.Hour, Backup: testBackup(t)}
		}, func(h *household) {
			v := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) {
				s.SetUser("ann")
				if idle > 0 {
					s.Remember(session.Stay{Lifetime: 30 * 24 * time.Hour, Idle: idle})
				}
			})
			synctest.Wait()
			want, err := h.m.Open(h.Context(), v.Session().ID())
			if err != nil {
				h.Fatal(err)
			}
			h.evict(v)
			time.Sleep(time.Minute)
			all, err := h.m.Sessions(h.Context(), "ann")
			if len(all) != 1 || err != nil {
				h.Fatal(all, err)
			}
			if got := all[0]; !got.Incomplete || !got.Expires.Equal(want.Expires) || !got.LoggedIn.Equal(want.LoggedIn) {
				h.Errorf("Incomplete %v: Expires %v, LoggedIn %v; read it said %v, %v", got.Incomplete, got.Expires, got.LoggedIn, want.Expires, want.LoggedIn)
			}
		})
	}
}

// The list of a request whose own session is on a part that is away, and that goes on by its copy,
// has the values of that session.
func TestTheCurrentSessionIsListedAsItsRequestHasIt(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		store := &parts{Store: s.store}
		store.away.Store("")
		m := s.startInstance(store, session.Options{})
		s.after(10 * time.Second)
		list := store.Shard(session.ID(devices.ID("ann")))
		v, n := s.logsIn(m, "ann"), 1
		for ; store.Shard(v.Session().ID()) == list; n++ {
			v = s.logsIn(m, "ann")
		}
		s.after(time.Second)
		store.away.Store(store.Shard(v.Session().ID()))
		s.after(3 * time.Second)
		v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, x *session.Session) {
			if x.Source() != session.FromBackup {
				t.Errorf("the session is from %v: the test shows nothing", x.Source())
			}
			all, err := m.Sessions(r.Context(), "ann")
			if len(all) != n || !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("got %d sessions, %v, want %d", len(all), err, n)
			}
			current := slices.IndexFunc(all, func(v session.View) bool { return v.Current })
			if current < 0 {
				t.Fatal("the current session is not listed")
			}
			own := &all[current]
			if value, err := color.In(own); own.Incomplete || own.LoggedIn.IsZero() || value != "red" || err != nil {
				t.Errorf("got %+v, and the value %q, %v", own, value, err)
			}
		})), "/")
		store.away.Store("")
	})
}

// Logins and ends of one user leave the list as large as its live sessions and its bound.
func TestManyLoginsAndEndsLeaveTheLiveOnes(t *testing.T) {
	inHousehold(t, "", func(*testing.T) *session.Options { return nil }, func(h *household) {
		h.login("ann", "firefox")
		time.Sleep(time.Second)
		h.login("ann", "safari")
		largest := 0
		for range *acceptance.Logins {
			v := h.login("ann", "edge")
			inRequest(v, h.m, func(s *session.Session) { _, _ = s.Destroy(h.Context()) })
			synctest.Wait()
			r, err := h.store.Load(h.Context(), session.ID(devices.ID("ann")))
			if err != nil {
				h.Fatal(err)
			}
			largest = max(largest, len(r.Data))
		}
		h.want("ann", "safari firefox")
		h.Logf("%d logins and ends: the list took up %d bytes at most", *acceptance.Logins, largest)
		if largest > 2500 {
			h.Error("that is more than two sessions and the 32 last ends take up")
		}
	})
}

func TestOpenShowsASession(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		inRequest(v, h.m, func(s *session.Session) {
			user.Set(s, "Ann")
			count.Set(s, 3)
		})
		inRequest(v, h.m, func(s *session.Session) { count.Delete(s) }) // which the saved session remembers
		began, id := time.Now(), v.Session().ID()
		time.Sleep(20 * time.Minute)
		got, err := h.m.Open(h.Context(), id)
		if err != nil {
			h.Fatal(err)
		}
		if got.ID != id || got.User != "ann" || !got.Seen.Equal(began) || !got.Expires.Equal(began.Add(30*time.Minute)) || got.Current || got.Incomplete {
			h.Errorf("got %+v", got)
		}
		if names := strings.Join(got.Names(), " "); names != "color user" {
			h.Errorf("its values are %q", names)
		}
		if value, err := user.In(got); value != "Ann" || err != nil {
			h.Errorf("a value: %q, %v", value, err)
		}
		if _, err := count.In(got); !errors.Is(err, session.ErrNoValue) {
			h.Errorf("a deleted value: %v", err)
		}
		var bad *session.ValueError
		if _, err := session.NewKey[int]("user").In(got); !errors.As(err, &bad) {
			h.Errorf("a value of another type: %v", err)
		}
		time.Sleep(14 * time.Minute) // looking at it did not count as use
		for _, id := range []session.ID{id, "0123456789abcdef0123456789abcdef", "members-0", session.ID(devices.ID("ann")), ""} {
			if _, err := h.m.Open(h.Context(), id); !errors.Is(err, session.ErrNoSession) {
				h.Errorf("Open(%q): %v", id, err)
			}
		}
		if _, err := h.m.Open(h.Context(), "no ID"); err == nil || errors.Is(err, session.ErrNoSession) {
			h.Errorf("Open of what is no ID: %v", err)
		}
		v = h.login("ann", "safari")
		id = v.Session().ID()
		if _, err := h.m.Revoke(h.Context(), id); err != nil {
			h.Fatal(err)
		}
		if _, err := h.m.Open(h.Context(), id); !errors.Is(err, session.ErrNoSession) {
			h.Errorf("Open of a revoked session: %v", err)
		}
	})
}

// The page of a user's devices was loaded before another device rotated its token.
func TestADeviceThatWasRotatedMeanwhileIsFoundAndEnded(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "safari")
		shown := v.Session().ID()
		for range 2 {
			time.Sleep(time.Minute)
			inRequest(v, h.m, (*session.Session).Rotate)
		}
		time.Sleep(time.Second)
		got, err := h.m.Open(h.Context(), shown)
		if err != nil || got.User != "ann" || got.ID != v.Session().ID() {
			h.Fatalf("Open of the ID that was shown: %+v, %v", got, err)
		}
		if d, err := h.m.Revoke(h.Context(), got.ID); d != session.Durable || err != nil {
			h.Error(d, err)
		}
		if loggedIn(v) {
			h.Error("the device is logged in")
		}
		if _, err := h.m.Open(h.Context(), shown); !errors.Is(err, session.ErrNoSession) {
			h.Errorf("Open of what has ended: %v", err)
		}
	})
}

// Whoever has an ID from before a login does not follow the visitor into it.
func TestOpenDoesNotFollowARenew(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "safari")
		shown := v.Session().ID()
		inRequest(v, h.m, (*session.Session).Renew)
		if _, err := h.m.Open(h.Context(), shown); !errors.Is(err, session.ErrNoSession) {
			h.Errorf("Open of what a Renew has replaced: %v", err)
		}
	})
}
