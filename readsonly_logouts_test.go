package session_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

// shortLease has leases that are short, beside the idle timeout too.
func shortLease() session.Options {
	return session.Options{Idle: 24 * time.Hour, Backup: &session.Backup{Lease: 4 * time.Minute}}
}

// A deploy, while the store takes no saves for longer than a lease: the instance that starts
// must not confirm a session that has ended on another instance.
func TestADeployInAReadOnlyStoreConfirmsNoLease(t *testing.T) {
	testSite(t, shortLease(), func(s *site) {
		v, thief := s.copied()
		s.refuseSaves()
		s.serve(s.b, v, s.ends(session.Pending)) // at b
		s.after(8 * time.Minute)
		s.want(s.a, thief, "503") // over a lease after the logout
		c := s.startInstance(s.store, shortLease())
		got := s.holds(c, thief) // its first request
		s.after(10 * time.Second)
		if a := s.holds(s.a, thief); a == "red/" {
			t.Errorf("8 minutes after the logout the thief is served at an instance that ran all the time (%q at the new one), because the new one has confirmed the lease", got)
		}
		s.after(200 * time.Second)
		if a := s.holds(s.a, thief); a == "red/" {
			t.Error("and 200 seconds later still")
		}
		if s.takeSaves(); false {
			return
		}
	})
}

// The same with nothing but the token: the new instance hands out no copy that vouches.
func TestADeployInAReadOnlyStoreMakesACopyThatVouches(t *testing.T) {
	testSite(t, shortLease(), func(s *site) {
		v := s.visitor()
		thief := s.withoutCopies(v)
		s.refuseSaves()
		s.serve(s.b, v, s.ends(session.Pending))
		s.after(8 * time.Minute)
		s.want(s.a, thief, "503")
		c := s.startInstance(s.store, shortLease())
		s.after(2 * time.Second)
		s.holds(c, thief)
		s.after(220 * time.Second)
		s.want(s.a, thief, "503")
		s.takeSaves()
	})
}

// The operator's StoreOnly.
func TestStoreOnlyOnAReadOnlyStoreConfirmsNoLease(t *testing.T) {
	l := &lever{}
	o := shortLease()
	o.Switch = l
	testSite(t, o, func(s *site) {
		v, thief := s.copied()
		s.refuseSaves()
		s.serve(s.b, v, s.ends(session.Pending))
		s.after(2 * time.Minute)
		l.set(session.Override{Mode: session.StoreOnly})
		s.after(2 * time.Second)
		s.holds(s.a, thief)
		strict := thief.Get(s.a.RequireStoreFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = session.From(r.Context()) }), "/").StatusCode
		if strict != 503 {
			t.Errorf("RequireStore with StoreOnly on a store that takes no saves: %d, want 503", strict)
		}
		l.set(session.Override{})
		s.after(10 * time.Second)
		s.after(3 * time.Minute)
		if got := s.holds(s.a, thief); got == "red/" {
			t.Errorf("5 minutes after the logout: %s, because a read in the mode StoreOnly has confirmed a lease", got)
		}
		s.takeSaves()
	})
}

// A visitor who goes on reading is not idle, though the store cannot note it.
func TestAnActiveVisitorStaysInAReadOnlyStore(t *testing.T) {
	o := session.Options{Idle: 10 * time.Minute, Backup: &session.Backup{Lease: 20 * time.Minute}}
	testSite(t, o, func(s *site) {
		v := s.visitor()
		s.refuseSaves()
		for i := range 11 {
			s.after(100 * time.Second)
			m := s.a
			if i%2 == 1 {
				m = s.b
			}
			if got := s.holds(m, v); got != "red/" {
				t.Fatalf("after %d seconds: %s", 100*(i+1), got)
			}
		}
		s.takeSaves()
		s.want(s.a, v, "red/")
		s.want(s.b, s.withoutCopies(v), "red/")
	})
}

// A logout that waits at b for longer than a tombstone lives.
func TestALogoutWaitsLongerThanATombstoneLives(t *testing.T) {
	testSite(t, shortLease(), func(s *site) {
		v, thief := s.copied()
		bare := s.withoutCopies(v)
		s.refuseSaves()
		s.serve(s.b, v, s.ends(session.Pending))
		s.after(20 * time.Minute)
		s.want(s.b, thief, "-")
		s.want(s.b, bare, "-")
		s.want(s.a, thief, "503")
		s.want(s.a, bare, "503")
		s.takeSaves()
		s.want(s.a, thief, "-")
		s.want(s.a, bare, "-")
	})
}

// The instance with the logout has gone; the visitor's browser carries the logout.
func TestTheCookieCarriesALogout(t *testing.T) {
	for _, wait := range []time.Duration{2 * time.Minute, 12 * time.Minute} {
		t.Run(wait.String(), func(t *testing.T) { cookieCarriesALogout(t, wait) })
	}
}

func cookieCarriesALogout(t *testing.T, wait time.Duration) {
	testSite(t, shortLease(), func(s *site) {
		v, thief := s.copied()
		s.refuseSaves()
		c := s.startInstance(s.store, shortLease())
		s.after(10 * time.Second)
		s.serve(c, v, s.ends(session.Pending))
		s.after(wait)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
		s.holds(s.a, v)
		s.takeSaves()
		s.holds(s.a, v)
		s.after(10 * time.Second)
		s.wantAtBoth(thief, "-")
	})
}

// Logouts by visitors whose session is unknown by then.
func TestALogoutAfterALeaseInAReadOnlyStore(t *testing.T) {
	for _, copies := range []bool{true, false} {
		testSite(t, shortLease(), func(s *site) {
			v, thief := s.copied()
			if !copies {
				v = s.withoutCopies(v)
			}
			s.refuseSaves()
			s.after(8 * time.Minute)
			s.want(s.a, v, "503")
			status := v.Get(s.b.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				x, _ := session.From(r.Context())
				if d, err := x.Destroy(r.Context()); d != session.Pending || err != nil {
					t.Errorf("copies %v: Destroy: %v %v", copies, d, err)
				}
			})), "/").StatusCode
			if status != 200 {
				t.Errorf("copies %v: logout: %d", copies, status)
			}
			s.want(s.b, thief, "-")
			s.takeSaves()
			s.wantAtBoth(thief, "-")
		})
	}
}

// Empty store, read-only for longer than a lease, with a logout pending; nothing comes back.
func TestAnEmptyReadOnlyStore(t *testing.T) {
	testSite(t, shortLease(), func(s *site) {
		v, thief := s.copied()
		w := s.visitor()
		s.serve(s.a, v, s.ends(session.Durable))
		s.store.Replace(memstore.New(nil))
		s.refuseSaves()
		s.want(s.a, thief, "-")
		s.wantAtBoth(w, "red/")
		s.serve(s.b, w, func(x *session.Session) { food.Set(x, "tofu") })
		s.want(s.a, w, "red/tofu")
		s.after(2 * time.Minute)
		s.want(s.a, w, "red/tofu")
		s.takeSaves()
		s.want(s.a, w, "red/tofu")
		s.want(s.b, s.withoutCopies(w), "red/tofu")
		s.want(s.a, thief, "-")
	})
}

// A login while the store takes no saves, on another instance than the thief's.
func TestALoginInAReadOnlyStoreEndsTheOldTokenAfterALease(t *testing.T) {
	testSite(t, shortLease(), func(s *site) {
		v, thief := s.copied()
		s.refuseSaves()
		s.logIn(s.b, v, "blue")
		s.after(2 * time.Minute)
		s.wantAtBoth(v, "blue/")
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "rice") })
		s.want(s.b, v, "blue/rice")
		s.after(80 * time.Second)
		s.want(s.a, v, "blue/rice")
		s.takeSaves()
		s.wantAtBoth(v, "blue/rice")
		s.wantAtBoth(thief, "-")
		s.want(s.b, s.withoutCopies(v), "blue/rice")
	})
}

// A session begun in a read-only store, used at both instances, ended at the other one.
func TestASessionBegunAndEndedElsewhereInAReadOnlyStore(t *testing.T) {
	testSite(t, shortLease(), func(s *site) {
		s.visitor()
		s.refuseSaves()
		v := sessiontest.NewVisitor(t, s.a)
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, "green") })
		thief := s.copyOf(v)
		s.want(s.b, v, "green/")
		s.serve(s.b, v, s.ends(session.Pending))
		s.want(s.b, thief, "-")
		s.after(8 * time.Minute)
		s.takeSaves()
		s.after(10 * time.Second)
		s.wantAtBoth(thief, "-")
	})
}

// A visitor writes while the store takes no saves, and changes instance each time.
func TestChangingInstancesInAReadOnlyStore(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.refuseSaves()
		n := 0
		for i := range 20 {
			m := s.a
			if i%2 == 1 {
				m = s.b
			}
			if st := s.serve(m, v, func(x *session.Session) { _ = count.Update(x, increment) }); st == 200 {
				n++
			}
			s.after(time.Second)
		}
		s.takeSaves()
		for _, m := range []*session.Manager{s.a, s.b} {
			s.serve(m, s.withoutCopies(v), func(x *session.Session) {
				if got := count.Or(x, 0); got != n {
					t.Errorf("%d, want %d", got, n)
				}
			})
		}
	})
}
