package session_test

import (
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// userSite is a site whose visitors log in.
type userSite struct{ *site }

func testUsers(t *testing.T, o session.Options, test func(userSite)) {
	t.Helper()
	testSite(t, o, func(s *site) { test(userSite{s}) })
}

// logsIn returns a visitor whose session a login of the user began at an instance.
func (s userSite) logsIn(m *session.Manager, user string) *sessiontest.Visitor {
	s.Helper()
	v := sessiontest.NewVisitor(s.T, m)
	if status := s.serve(m, v, func(x *session.Session) {
		x.SetUser(user)
		color.Set(x, "red")
	}); status != http.StatusOK {
		s.Fatalf("the login of %s was answered %d", user, status)
	}
	return v
}

func (s userSite) revoke(m *session.Manager, user string, want session.Durability) {
	s.Helper()
	if d, err := m.RevokeUser(s.Context(), user); d != want || err != nil {
		s.Errorf("RevokeUser(%s): %v, %v, want %v", user, d, err, want)
	}
}

// renews has a visitor's session renewed, as a thief may who finds a page that does so.
func (s userSite) renews(m *session.Manager, v *sessiontest.Visitor) {
	s.Helper()
	if status := s.serve(m, v, (*session.Session).Renew); status != http.StatusOK {
		s.Errorf("the Renew was answered %d", status)
	}
}

func TestRevokeUserEndsAllSessionsOfTheUser(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		phone := s.logsIn(s.a, "ann")
		laptop := s.logsIn(s.b, "ann")
		other := s.logsIn(s.a, "bob")
		thief := s.copyOf(laptop)
		renewed := s.logsIn(s.a, "ann")
		rotated := s.logsIn(s.b, "ann")
		s.after(time.Minute)
		s.renews(s.b, renewed)
		s.serve(s.b, rotated, (*session.Session).Rotate)
		anonymous := s.visitor()
		s.wantAtBoth(rotated, "red/")
		s.revoke(s.a, "ann", session.Durable)
		for _, v := range []*sessiontest.Visitor{phone, laptop, thief, renewed, rotated} {
			s.want(s.a, v, "-") // at once
		}
		s.after(2 * time.Second)
		for _, v := range []*sessiontest.Visitor{phone, laptop, thief, renewed, rotated} {
			s.wantAtBoth(v, "-")
		}
		s.wantAtBoth(other, "red/")
		s.wantAtBoth(anonymous, "red/")
		// A visitor whose session was revoked begins anew, and logs in.
		if status := s.serve(s.b, laptop, func(x *session.Session) { x.SetUser("ann"); color.Set(x, "blue") }); status != 200 {
			t.Errorf("the next login was answered %d", status)
		}
		s.wantAtBoth(laptop, "blue/")
		s.wantAtBoth(thief, "-")
		s.revoke(s.b, "ann", session.Durable) // within the minute by which clocks may differ
		s.after(2 * time.Second)
		s.wantAtBoth(laptop, "-")
	})
}

// A login right after the revocation counts at every instance, although the one where it is
// has not heard yet: it asks the store.
func TestALoginRightAfterARevocationCounts(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		s.revoke(s.a, "ann", session.Durable)
		v, w := s.logsIn(s.b, "ann"), s.logsIn(s.a, "ann")
		s.after(5 * time.Second)
		s.wantAtBoth(v, "red/")
		s.wantAtBoth(w, "red/")
	})
}

// Clocks of instances differ by less than a minute.
func TestRevocationsWhereClocksDiffer(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		ahead, _ := s.instance(25*time.Second, session.Backup{}, session.Options{})
		behind, _ := s.instance(-25*time.Second, session.Backup{}, session.Options{})
		thief := s.logsIn(ahead, "ann")
		s.revoke(behind, "ann", session.Durable)
		v := s.logsIn(behind, "ann")
		s.after(5 * time.Second)
		for name, m := range map[string]*session.Manager{"ahead": ahead, "behind": behind, "right": s.a} {
			if got := s.holds(m, thief); got != "-" {
				t.Errorf("%s: a login by a clock that is ahead, before the revocation by one that is behind: the session holds %s", name, got)
			}
			if got := s.holds(m, v); got != "red/" {
				t.Errorf("%s: a login by a clock that is behind, after the revocation: the session holds %s", name, got)
			}
		}
	})
}

// In an outage the instance that was asked honors the revocation at once, and the others
// when the store is back, whatever the thief has done until then.
func TestARevocationInAnOutage(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		thief, idle := s.copyOf(v), s.copyOf(v)
		s.store.Fail(errRefused)
		s.after(5 * time.Second)
		s.revoke(s.a, "ann", session.Pending)
		s.want(s.a, thief, "-")
		s.want(s.b, thief, "red/") // which nothing can tell
		s.renews(s.b, thief)
		s.serve(s.b, thief, func(x *session.Session) { color.Set(x, "stolen") })
		s.heal()
		s.wantAtBoth(thief, "-")
		s.wantAtBoth(idle, "-")
		s.wantAtBoth(v, "-")
	})
}

// The store loses everything, and the copies are there. No thief is restored.
func TestARevocationOutlivesTheStore(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		thief := s.copyOf(v)
		s.revoke(s.a, "ann", session.Durable)
		s.after(2 * time.Second)
		s.store.Replace(memstore.New(nil))
		s.after(30 * time.Second)
		s.wantAtBoth(thief, "-")
		c := s.startInstance(s.store, session.Options{})
		s.after(10 * time.Second)
		s.want(c, thief, "-")
	})
}

// A revocation is needed as long as a session, and longer than tombstones and their logs
// live: instances come and go, and some time none is there.
func TestARevocationOutlivesTheInstances(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("days of probes: make test runs it")
	}
	o := session.Options{Idle: 30 * 24 * time.Hour, Lifetime: 30 * 24 * time.Hour, Refresh: 24 * time.Hour}
	for name, gap := range map[string]time.Duration{"the next one begins before": -time.Hour, "none is there for days": 3 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			testUsers(t, o, func(s userSite) {
				thief := s.copyOf(s.logsIn(s.a, "ann"))
				s.revoke(s.a, "ann", session.Durable)
				s.after(time.Minute)
				last := []*session.Manager{s.a, s.b}
				for range 3 {
					s.after(9 * time.Hour)
					var next []*session.Manager
					begin := func() { next = []*session.Manager{s.startInstance(s.store, o), s.startInstance(s.store, o)} }
					if gap < 0 {
						begin()
						s.after(-gap)
					}
					for _, m := range last {
						if err := m.Close(context.Background()); err != nil {
							t.Fatal(err)
						}
					}
					if gap > 0 {
						s.after(gap)
						begin()
						s.after(time.Second) // the thief comes as soon as the logs were read
					}
					for _, m := range next {
						s.want(m, thief, "-")
					}
					last = next
				}
			})
		})
	}
}

// The visitor who asks stays logged in, under another token.
func TestRevokeOthersLeavesTheVisitor(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		thief, phone := s.copyOf(v), s.logsIn(s.b, "ann")
		at := v.Session().LoggedIn()
		s.after(time.Minute)
		if status := s.serve(s.a, v, func(x *session.Session) {
			food.Set(x, "tofu")
			if d, err := x.RevokeOthers(s.Context()); d != session.Durable || err != nil {
				t.Errorf("RevokeOthers: %v, %v", d, err)
			}
		}); status != 200 {
			t.Errorf("answered %d", status)
		}
		s.want(s.a, v, "red/tofu")
		s.after(2 * time.Second)
		s.wantAtBoth(v, "red/tofu")
		s.wantAtBoth(phone, "-")
		s.wantAtBoth(thief, "-")
		if got := v.Session(); !got.LoggedIn().Equal(at) || got.User() != "ann" {
			t.Errorf("the login of %q was at %v, want ann at %v: nobody has checked a password since", got.User(), got.LoggedIn(), at)
		}
		s.store.Replace(memstore.New(nil))
		s.after(30 * time.Second)
		s.wantAtBoth(thief, "-")
		s.wantAtBoth(v, "red/tofu")
	})
}

func TestRevokeOthersInAnOutage(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		thief, phone := s.copyOf(v), s.logsIn(s.b, "ann")
		s.store.Fail(errRefused)
		s.after(5 * time.Second)
		s.serve(s.a, v, func(x *session.Session) {
			if d, err := x.RevokeOthers(s.Context()); d != session.Pending || err != nil {
				t.Errorf("RevokeOthers: %v, %v", d, err)
			}
		})
		s.want(s.a, v, "red/")
		s.want(s.a, thief, "-")
		s.serve(s.b, thief, func(x *session.Session) { color.Set(x, "stolen") })
		s.heal()
		// Another instance may have taken a write under the old token before it heard of the
		// end. That write is kept, whether the visitor or the thief made it; the thief is out.
		if a, b := s.holds(s.a, v), s.holds(s.b, v); a != b || a != "red/" && a != "stolen/" {
			t.Errorf("the session holds %s and %s", a, b)
		}
		s.wantAtBoth(thief, "-")
		s.wantAtBoth(phone, "-")
	})
}

// Another instance hears of the revocation while the store still has the session that the
// visitor's has taken the place of, and the thief shows that one there.
func TestAThiefsOldTokenDoesNotEndTheExceptedSession(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		c, link := s.cutOff()
		v := s.logsIn(c, "ann")
		thief, old := s.copyOf(v), v.Session().ID()
		link.Fail(errRefused)
		s.after(5 * time.Second)
		s.serve(c, v, func(x *session.Session) {
			if d, err := x.RevokeOthers(s.Context()); d != session.Pending || err != nil {
				t.Errorf("RevokeOthers: %v, %v", d, err)
			}
		})
		link.Before(func(_ string, id session.ID) error {
			if id == old {
				return errRefused
			}
			return nil
		})
		link.Heal()
		s.after(10 * time.Second)
		s.wantAtBoth(thief, "-")
		if r, err := s.store.Load(s.Context(), old); err != nil || len(r.Data) < 40 {
			t.Fatalf("the store has the old session no more (%v, %d bytes), so the test shows nothing", err, len(r.Data))
		}
		link.Before(nil)
		s.after(time.Minute)
		s.want(c, v, "red/")
		s.wantAtBoth(v, "red/")
		s.wantAtBoth(thief, "-")
	})
}

// The store has lost the session that the visitor's has taken the place of, and a request of
// that one is under way where the revocation is heard of.
func TestARequestUnderWayDoesNotEndTheExceptedSession(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		c, link := s.cutOff()
		v := s.logsIn(c, "ann")
		tab, old := s.copyOf(v), v.Session().ID()
		r, err := s.store.Load(s.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		r.Expires = time.Now().Add(time.Second) // as if it were evicted
		if _, err := s.store.Save(s.Context(), old, r, r.Version); err != nil {
			t.Fatal(err)
		}
		s.after(2500 * time.Millisecond) // no exchange of the instances is due
		link.Before(func(_ string, id session.ID) error {
			if id == old {
				return errRefused
			}
			return nil
		})
		if status := s.serve(s.b, tab, func(x *session.Session) {
			if x.ID() != old {
				t.Error("the other tab has no session before the revocation, so the test shows nothing")
			}
			s.serve(c, v, func(x *session.Session) {
				if d, err := x.RevokeOthers(s.Context()); d != session.Durable || err != nil {
					t.Errorf("RevokeOthers: %v, %v", d, err)
				}
			})
			s.after(200 * time.Millisecond) // the members record tells of it
			color.Set(x, "stolen")
		}); status == http.StatusOK {
			t.Error("what a session set after the revocation of its user was saved")
		}
		link.Before(nil)
		s.after(time.Minute)
		s.want(c, v, "red/")
		s.wantAtBoth(v, "red/")
		s.wantAtBoth(tab, "-")
	})
}

// A process that ends in an outage leaves a revocation that no other process knows of.
func TestAPendingRevocationOutlivesItsProcess(t *testing.T) {
	dir := t.TempDir()
	testUsers(t, session.Options{}, func(s userSite) {
		o := session.Options{Backup: &session.Backup{Dir: dir, Audience: "shop-test", Keys: s.keys}}
		store := storetest.NewFaulty(s.store)
		c, err := session.New(store, &o)
		if err != nil {
			t.Fatal(err)
		}
		s.after(10 * time.Second)
		thief := s.logsIn(c, "ann")
		store.Fail(errRefused)
		s.after(5 * time.Second)
		s.revoke(c, "ann", session.Pending)
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		if err := c.Close(ctx); err == nil {
			t.Error("everything was delivered")
		}
		cancel()
		s.wantAtBoth(thief, "red/")
		next := mustNew(s.T, s.store, &o)
		s.after(10 * time.Second)
		s.want(next, thief, "-")
		s.wantAtBoth(thief, "-")
	})
}

func TestRevokeOthersThatCannotBe(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		anonymous, v := s.visitor(), s.logsIn(s.a, "ann")
		s.serve(s.a, anonymous, func(x *session.Session) {
			if d, err := x.RevokeOthers(s.Context()); d != 0 || err == nil {
				t.Errorf("of a session without a user: %v, %v", d, err)
			}
		})
		v.Get(s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, _ := session.From(r.Context())
			w.WriteHeader(http.StatusNoContent)
			if d, err := x.RevokeOthers(s.Context()); d != 0 || !errors.Is(err, session.ErrTooLate) {
				t.Errorf("after the header: %v, %v", d, err)
			}
		})), "/")
		s.after(2 * time.Second)
		s.wantAtBoth(v, "red/")
	})
}

// A stream that goes on after the revocation saves nothing any more.
func TestASessionInUseEndsWithItsUser(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.b, "ann")
		s.serve(s.b, v, func(x *session.Session) {
			if err := x.Err(); err != nil {
				t.Fatal(err)
			}
			s.revoke(s.a, "ann", session.Durable)
			s.after(2 * time.Second)
			color.Set(x, "blue")
			if _, err := x.Save(s.Context()); !errors.Is(err, session.ErrEnded) {
				t.Errorf("Save: got %v", err)
			}
		})
		w := s.logsIn(s.b, "ann")
		s.serve(s.b, w, func(x *session.Session) {
			if err := x.Err(); err != nil {
				t.Fatal(err)
			}
			s.revoke(s.a, "ann", session.Durable)
			s.after(2 * time.Second)
			x.Renew()
			if _, err := x.Save(s.Context()); !errors.Is(err, session.ErrEnded) {
				t.Errorf("a Renew: got %v", err)
			}
		})
		s.wantAtBoth(v, "-")
		s.wantAtBoth(w, "-")
	})
}

// All sessions of the application end that were authenticated by a time.
func TestRevokeBefore(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		anonymous := s.visitor()
		thief := s.logsIn(s.b, "bob")
		s.after(time.Minute)
		at := time.Now()
		s.renews(s.b, thief)
		s.after(time.Minute)
		later, began := s.logsIn(s.a, "ann"), s.visitor()
		s.after(time.Minute)
		if d, err := s.b.RevokeBefore(s.Context(), at); d != session.Durable || err != nil {
			t.Errorf("RevokeBefore: %v, %v", d, err)
		}
		s.after(2 * time.Second)
		for name, v := range map[string]*sessiontest.Visitor{"ann": v, "somebody": anonymous, "bob, who has renewed": thief} {
			if a, b := s.holds(s.a, v), s.holds(s.b, v); a != "-" || b != "-" {
				t.Errorf("%s: the session holds %s and %s", name, a, b)
			}
		}
		s.wantAtBoth(later, "red/")
		s.wantAtBoth(began, "red/")
		if d, err := s.a.RevokeBefore(s.Context(), time.Now().Add(time.Hour)); d != 0 || err == nil {
			t.Errorf("before a time that is to come: %v, %v", d, err)
		}
		s.wantAtBoth(later, "red/")
		if _, err := s.a.RevokeBefore(s.Context(), time.Now()); err != nil {
			t.Error(err)
		}
		s.after(2 * time.Second)
		s.wantAtBoth(later, "-")
		s.wantAtBoth(began, "-")
		s.wantAtBoth(s.logsIn(s.b, "bob"), "red/")
	})
}

// A time that no clock value can hold, or that is far in the future, ends nothing, then or later.
func TestRevokeBeforeOfATimeThatCannotBeMeant(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		s.after(time.Minute)
		for name, at := range map[string]time.Time{
			"the zero time":            {},
			"the epoch":                time.Unix(0, 0),
			"before 1970":              time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
			"before any clock":         time.Unix(-1<<62, 0),
			"more than a minute ahead": time.Now().Add(time.Minute + time.Millisecond),
			"after any clock":          time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		} {
			if d, err := s.a.RevokeBefore(s.Context(), at); d != 0 || err == nil {
				t.Errorf("%s: %v, %v", name, d, err)
			}
		}
		if d, err := s.a.RevokeBefore(s.Context(), time.UnixMilli(1)); d != session.Durable || err != nil {
			t.Errorf("a millisecond after the epoch: %v, %v", d, err)
		}
		s.after(3 * time.Second)
		s.wantAtBoth(v, "red/")
		s.wantAtBoth(s.logsIn(s.a, "ann"), "red/")
		s.wantAtBoth(s.visitor(), "red/")
	})
}

// RevokeBefore goes by the time of the login. The clock value of a login is up to a minute later
// where the user was revoked shortly before, or has revoked the others: neither saves a thief.
func TestRevokeBeforeEndsLoginsThatFollowARevocation(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		thief := s.logsIn(s.a, "bob")
		s.after(time.Minute)
		closed := time.Now()
		s.after(time.Minute)
		s.revoke(s.a, "ann", session.Durable)
		again := s.logsIn(s.a, "ann")
		if status := s.serve(s.b, thief, func(x *session.Session) {
			if d, err := x.RevokeOthers(s.Context()); d != session.Durable || err != nil {
				t.Errorf("RevokeOthers: %v, %v", d, err)
			}
		}); status != http.StatusOK {
			t.Errorf("RevokeOthers was answered %d", status)
		}
		s.after(2 * time.Second)
		s.wantAtBoth(thief, "red/")
		if d, err := s.b.RevokeBefore(s.Context(), closed); d != session.Durable || err != nil {
			t.Errorf("RevokeBefore: %v, %v", d, err)
		}
		s.after(2 * time.Second)
		s.wantAtBoth(thief, "-")
		s.wantAtBoth(again, "red/")
		if d, err := s.b.RevokeBefore(s.Context(), time.Now()); d != session.Durable || err != nil {
			t.Errorf("RevokeBefore: %v, %v", d, err)
		}
		v := s.logsIn(s.b, "ann")
		s.after(2 * time.Second)
		s.wantAtBoth(again, "-")
		s.wantAtBoth(v, "red/")
	})
}

// A login after RevokeBefore counts, although the time it was given is to come.
func TestALoginAfterRevokeBeforeOfATimeToComeCounts(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		before := s.logsIn(s.a, "ann")
		s.after(time.Second)
		if d, err := s.b.RevokeBefore(s.Context(), time.Now().Add(30*time.Second)); d != session.Durable || err != nil {
			t.Errorf("RevokeBefore: %v, %v", d, err)
		}
		s.after(2 * time.Second)
		v, w := s.logsIn(s.a, "ann"), s.logsIn(s.b, "bob")
		s.after(2 * time.Second)
		s.wantAtBoth(before, "-")
		s.wantAtBoth(v, "red/")
		s.wantAtBoth(w, "red/")
		if status := s.serve(s.b, w, func(x *session.Session) {
			if d, err := x.RevokeOthers(s.Context()); d != session.Durable || err != nil {
				t.Errorf("RevokeOthers: %v, %v", d, err)
			}
		}); status != http.StatusOK {
			t.Errorf("RevokeOthers was answered %d", status)
		}
		s.after(2 * time.Second)
		s.wantAtBoth(w, "red/")
	})
}

func TestUsersCannotBeRevokedWithoutABackup(t *testing.T) {
	m := mustNew(t, memstore.New(nil), nil)
	if d, err := m.RevokeUser(t.Context(), "ann"); d != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RevokeUser: %v, %v", d, err)
	}
	if d, err := m.RevokeBefore(t.Context(), time.Now()); d != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RevokeBefore: %v, %v", d, err)
	}
	testUsers(t, session.Options{}, func(s userSite) {
		if d, err := s.a.RevokeUser(t.Context(), ""); d != 0 || err == nil {
			t.Errorf("of nobody: %v, %v", d, err)
		}
	})
}

// parts is a store of two parts, by a hash of the ID, of which one may be away.
type parts struct {
	session.Store
	away atomic.Value // the name of the part that is away
}

func (s *parts) isAway(shard string) bool { return s.away.Load() == shard }

func (s *parts) Shard(id session.ID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return string("01"[h.Sum32()%2])
}

func (s *parts) Probe(_ context.Context, shard string) (string, error) {
	if s.isAway(shard) {
		return "", errRefused
	}
	return shard, nil
}

func (s *parts) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if s.isAway(s.Shard(id)) {
		return session.Record{}, errRefused
	}
	return s.Store.Load(ctx, id)
}

func (s *parts) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if s.isAway(s.Shard(id)) {
		return session.Absent, errRefused
	}
	return s.Store.Save(ctx, id, r, over)
}

// The part of the store that keeps the revocation of a user is away: a node of three, for
// hours. The instances hear of it by the parts that are there, where the user's sessions are.
func TestARevocationReachesThePartsOfTheStoreThatAreThere(t *testing.T) {
	for name, wait := range map[string]time.Duration{"before the outage is noticed": 0, "when the outage is known": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			testUsers(t, session.Options{}, func(s userSite) {
				all := storetest.NewFaulty(memstore.New(nil))
				store := &parts{Store: all}
				home := store.Shard(session.ID(revoked.UserID("ann")))
				a, b := s.startInstance(store, session.Options{}), s.startInstance(store, session.Options{})
				s.after(10 * time.Second)
				var v *sessiontest.Visitor
				for id := session.ID(""); id == "" || store.Shard(id) == home; {
					v = s.logsIn(a, "ann")
					s.serve(a, v, func(x *session.Session) { id = x.ID() })
				}
				thief := s.copyOf(v)
				store.away.Store(home)
				s.after(wait)
				s.want(b, thief, "red/")
				s.revoke(a, "ann", session.Pending)
				s.want(a, thief, "-")
				s.after(2 * time.Second)
				s.want(b, thief, "-")
				if err := b.Close(s.Context()); err != nil {
					s.Error(err)
				}
				all.Replace(memstore.New(nil)) // the log has to be written once more
				s.after(10 * time.Second)
				c := s.startInstance(store, session.Options{})
				s.after(10 * time.Second)
				s.want(c, thief, "-")
				store.away.Store("")
				s.after(10 * time.Second)
				s.want(c, thief, "-")
			})
		})
	}
}

// The part that is away is one of the others: an instance that reaches that part alone does
// not hear of it, and a login there may not count.
func TestARevocationThatAPartOfTheStoreLacksIsPending(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		store := &parts{Store: storetest.NewFaulty(memstore.New(nil))}
		home := store.Shard(session.ID(revoked.UserID("ann")))
		a, b := s.startInstance(store, session.Options{}), s.startInstance(store, session.Options{})
		s.after(10 * time.Second)
		thief := s.copyOf(s.logsIn(a, "ann"))
		s.revoke(a, "ann", session.Durable)
		store.away.Store(string("10"[home[0]-'0']))
		s.after(20 * time.Second)
		s.revoke(a, "ann", session.Pending)
		s.after(2 * time.Second)
		s.want(b, thief, "-")
		store.away.Store("")
		s.after(10 * time.Second)
		s.revoke(a, "ann", session.Durable)
	})
}

// oneShard is a store of one shard that may lose all of its records without a restart.
type oneShard struct{ session.Store }

func (oneShard) Shard(session.ID) string { return "0" }

func (oneShard) Probe(context.Context, string) (string, error) { return "0", nil }

// A store that loses its memory while a user is revoked: the log with the revocation may be
// written anew before this process has entered the revocation into its set.
func TestARevocationOfAUserInTheMomentOfALoss(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 3
	}
	for later := 0; later < 10; later += step {
		for lost := 0; lost < 24; lost += step { // half milliseconds after 4.5 ms before the revocation
			testUsers(t, session.Options{}, func(s userSite) {
				all := storetest.NewFaulty(memstore.New(nil))
				a := s.startInstance(oneShard{all}, session.Options{})
				s.after(time.Duration(later) * 37 * time.Millisecond)
				b := s.startInstance(oneShard{all}, session.Options{})
				s.after(10 * time.Second)
				thief := s.copyOf(s.logsIn(b, "ann"))
				all.Delay(time.Millisecond)
				s.after(2240*time.Millisecond + time.Duration(later)*100*time.Millisecond)
				time.AfterFunc(time.Duration(lost)*500*time.Microsecond, func() { all.Replace(memstore.New(nil)) })
				time.Sleep(4500 * time.Microsecond)
				s.revoke(a, "ann", session.Durable)
				s.after(17 * time.Second)
				s.want(b, thief, "-")
			})
		}
	}
}
