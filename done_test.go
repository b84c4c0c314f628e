package session_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// stream is an event stream of a visitor, at an instance.
type stream struct {
	*testing.T
	ended <-chan struct{}
	close context.CancelFunc
}

// opens begins a stream of v, which lasts until it is closed, or its session ends.
func (s *site) opens(m *session.Manager, v *sessiontest.Visitor) stream {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	s.Cleanup(cancel)
	x := stream{T: s.T, close: cancel}
	s.serve(m, v, func(sn *session.Session) { x.ended = sn.Done(ctx) })
	if x.ended == nil {
		s.Fatal("the stream was refused")
	}
	return x
}

func (x stream) want(what string, ended bool) {
	x.Helper()
	synctest.Wait()
	got := false
	select {
	case <-x.ended:
		got = true
	default:
	}
	if got != ended {
		x.Errorf("%s: the stream has ended: %v, want %v", what, got, ended)
	}
}

// However a session ends, and at whichever instance: its streams end within two seconds, and
// those of other sessions go on.
func TestAStreamEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(s userSite, m *session.Manager, v *sessiontest.Visitor){
		"destroyed": func(s userSite, m *session.Manager, v *sessiontest.Visitor) { s.serve(m, v, s.ends(session.Durable)) },
		"revoked by its ID": func(s userSite, m *session.Manager, v *sessiontest.Visitor) {
			var id session.ID
			s.serve(m, v, func(x *session.Session) { id = x.ID() })
			if _, err := m.Revoke(s.Context(), id); err != nil {
				s.Error(err)
			}
		},
		"with all of the user": func(s userSite, m *session.Manager, _ *sessiontest.Visitor) { s.revoke(m, "ann", session.Durable) },
		"by another session of the user": func(s userSite, m *session.Manager, _ *sessiontest.Visitor) {
			s.serve(m, s.logsIn(m, "ann"), func(x *session.Session) {
				if _, err := x.RevokeOthers(s.Context()); err != nil {
					s.Error(err)
				}
			})
		},
		"with everybody": func(s userSite, m *session.Manager, _ *sessiontest.Visitor) {
			s.after(time.Second)
			if _, err := m.RevokeBefore(s.Context(), time.Now().Add(-time.Second)); err != nil {
				s.Error(err)
			}
		},
		"renewed": func(s userSite, m *session.Manager, v *sessiontest.Visitor) { s.renews(m, v) },
		"rotated and destroyed": func(s userSite, m *session.Manager, v *sessiontest.Visitor) {
			s.serve(m, v, (*session.Session).Rotate)
			s.serve(m, v, (*session.Session).Rotate)
			s.after(3 * time.Second)
			s.serve(m, v, s.ends(session.Durable))
		},
	} {
		t.Run(name, func(t *testing.T) {
			testUsers(t, session.Options{}, func(s userSite) {
				v := s.logsIn(s.a, "ann")
				s.after(2 * time.Second)
				here, there := s.opens(s.a, v), s.opens(s.b, v)
				s.after(2 * time.Second)
				var other stream
				if name != "with everybody" {
					other = s.opens(s.b, s.logsIn(s.a, "bob"))
				}
				here.want("before", false)
				there.want("before", false)
				end(s, s.a, v)
				here.want("at the instance that ends it", true)
				s.after(2 * time.Second)
				there.want("at the other instance", true)
				if other.T != nil {
					other.want("of another user", false)
				}
			})
		})
	}
}

func TestAStreamFollowsARotation(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		here, there := s.opens(s.a, v), s.opens(s.b, v)
		for range 3 {
			s.serve(s.a, v, (*session.Session).Rotate)
			s.after(5 * time.Second)
		}
		here.want("after three rotations", false)
		there.want("after three rotations", false)
	})
}

// In an outage the instance that ends the session ends its streams, the others when the
// store is back.
func TestAStreamEndsInAnOutage(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		here, there := s.opens(s.a, v), s.opens(s.b, v)
		s.store.Fail(errRefused)
		s.after(10 * time.Second)
		here.want("in the outage", false)
		s.serve(s.a, v, s.ends(session.Pending))
		here.want("where it was destroyed", true)
		there.want("where that cannot be known", false)
		s.heal()
		there.want("when the store is back", true)
	})
}

// An instance that does not hear of ends vouches for a session no longer than a copy does, and so
// does its stream. One that hears of them goes on.
func TestAStreamEndsWithTheLeaseWhereNoEndsAreHeardOf(t *testing.T) {
	const lease = 20 * time.Minute
	for name, test := range map[string]struct {
		fail  func(s userSite, link *storetest.Faulty)
		heard session.Durability // what an end by another instance comes to
	}{
		"it is cut off": {func(_ userSite, link *storetest.Faulty) { link.Fail(errRefused) }, session.Durable},
		"the store takes no saves": {func(s userSite, _ *storetest.Faulty) {
			s.store.Before(func(op string, _ session.ID) error {
				if op == "save" {
					return errRefused
				}
				return nil
			})
		}, session.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			testUsers(t, session.Options{Idle: 5 * time.Hour}, func(s userSite) {
				c, link := s.instance(0, session.Backup{Lease: lease}, session.Options{Idle: 5 * time.Hour})
				v, bob := s.logsIn(c, "ann"), s.logsIn(s.b, "bob")
				s.after(5 * time.Minute)
				x, there := s.opens(c, v), s.opens(s.b, bob)
				s.after(3*lease + time.Minute)
				x.want("after three leases in which all is well", false)
				began := time.Now()
				test.fail(s, link)
				s.after(5 * time.Second)
				s.revoke(s.a, "ann", test.heard)
				s.after(lease - 7*time.Second)
				x.want("within the lease", false)
				s.after(9 * time.Second)
				if got := s.holds(c, v); got != "503" {
					t.Errorf("%v after the last news a request is shown %s, want 503", time.Since(began), got)
				}
				x.want("after the lease", true)
				if test.heard == session.Durable {
					there.want("of an instance that hears of ends", false)
				}
				s.store.Before(nil)
			})
		})
	}
}

// A login in an outage begins a lease of its own, which its stream has too.
func TestAStreamOfALoginInAnOutageHasItsLease(t *testing.T) {
	const lease = 20 * time.Minute
	testUsers(t, session.Options{Idle: 5 * time.Hour}, func(s userSite) {
		c, link := s.instance(0, session.Backup{Lease: lease}, session.Options{Idle: 5 * time.Hour})
		link.Fail(errRefused)
		s.after(lease - 5*time.Minute)
		x := s.opens(c, s.logsIn(c, "ann"))
		s.after(lease - time.Minute)
		x.want("within the lease of the login", false)
		s.after(time.Minute + time.Second)
		x.want("after it", true)
	})
}

// A lease may be as short as the time between two exchanges, one of which may wait for what the
// store lacks.
func TestAStreamGoesOnWithAShortLease(t *testing.T) {
	testUsers(t, session.Options{Backup: &session.Backup{Lease: time.Second}}, func(s userSite) {
		x := s.opens(s.a, s.logsIn(s.a, "ann"))
		s.after(30 * time.Second)
		x.want("while all is well", false)
		s.store.Fail(errRefused)
		s.after(10 * time.Second)
		s.store.Heal()
		s.after(30 * time.Second)
		x.want("after ten seconds without the store", false)
		s.store.Replace(memstore.New(nil)) // whose logs are complete again after five seconds at the earliest
		s.after(30 * time.Second)
		x.want("after a loss", false)
		s.store.Fail(errRefused)
		s.after(25 * time.Second)
		x.want("after 25 seconds without the store", true)
	})
}

// A stream is no use of its session, and a use at another instance is found by one look at
// the store.
func TestAStreamEndsWhenItsSessionExpires(t *testing.T) {
	idleSoon(t, func(s *site, _ *session.Options) {
		v := s.visitor()
		var id session.ID
		s.serve(s.a, v, func(x *session.Session) { id = x.ID() })
		var loads atomic.Int64
		s.store.Before(func(op string, i session.ID) error {
			if op == "load" && i == id {
				loads.Add(1)
			}
			return nil
		})
		x := s.opens(s.a, v)
		synctest.Wait()
		loads.Store(0)
		s.after(15 * time.Minute)
		if n := loads.Load(); n != 0 {
			s.Errorf("a stream that waits has loaded its session %d times, want none", n)
		}
		s.want(s.b, v, "red/") // used at the other instance
		s.after(21 * time.Minute)
		x.want("36 minutes after it began, 21 after the last use", false)
		loads.Store(0)
		s.after(90 * time.Second)
		x.want("22 minutes and a half after the last use", true)
		if n := loads.Load(); n != 1 {
			s.Errorf("the last look took %d loads, want 1", n)
		}
	})
}

// idleSoon calls do with two instances, whose sessions are idle after 20 minutes and may last
// two more, once with a backup and once without.
func idleSoon(t *testing.T, do func(s *site, o *session.Options)) {
	for name, backup := range map[string]*session.Backup{"with a backup": {Audience: "shop-test"}, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := storetest.NewFaulty(memstore.New(nil))
				if backup != nil {
					backup.Keys = mustKeys(t, seal.NewKey())
				}
				o := &session.Options{Idle: 20 * time.Minute, Refresh: 2 * time.Minute, Backup: backup}
				s := &site{T: t, store: store, a: mustNew(t, store, o), b: mustNew(t, store, o)}
				s.after(10 * time.Second)
				do(s, o)
			})
		})
	}
}

// longer is a store that keeps its records for a while longer than it was told, as one that counts
// whole seconds, or whose clock is behind.
type longer struct {
	session.Store
	by time.Duration
}

func (l longer) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	r.Expires = r.Expires.Add(l.by)
	return l.Store.Save(ctx, id, r, over)
}

// The look of a stream at the expiry is no use of the session, also where the store has it still.
func TestAStreamEndsWhenItsSessionExpiresThoughTheStoreKeepsIt(t *testing.T) {
	for _, by := range []time.Duration{time.Second, 30 * time.Second, time.Hour} {
		idleSoon(t, func(s *site, o *session.Options) {
			s.a = mustNew(s.T, longer{s.store, by}, o)
			s.b = mustNew(s.T, longer{s.store, by}, o)
			s.after(10 * time.Second)
			v := s.visitor()
			x := s.opens(s.a, v)
			s.after(15 * time.Minute)
			s.want(s.b, v, "red/")
			s.after(21 * time.Minute)
			x.want("21 minutes after the last use", false)
			s.after(90 * time.Second)
			x.want("22 minutes and a half after the last use", true)
		})
	}
}

// A use at an instance whose clock is an hour behind is a use, and the last of them ends the stream.
func TestAStreamGoesOnWithUsesByAnotherClock(t *testing.T) {
	idleSoon(t, func(s *site, o *session.Options) {
		ahead, err := session.Without(leftStore{s.store, time.Hour}, o, time.Hour)
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = ahead.Close(context.Background()) })
		s.after(10 * time.Second)
		v := s.visitor()
		s.want(s.a, v, "red/")
		x := s.opens(ahead, v)
		for range 5 {
			s.after(15 * time.Minute)
			s.want(s.a, v, "red/")
			x.want("while it is used elsewhere", false)
		}
		s.after(45 * time.Minute)
		x.want("45 minutes after the last use", true)
	})
}

// Whether another instance has used the session cannot be known then.
func TestAStreamEndsWhereTheStoreIsAwayAsItsSessionExpires(t *testing.T) {
	idleSoon(t, func(s *site, _ *session.Options) {
		x := s.opens(s.a, s.visitor())
		s.after(21*time.Minute + 30*time.Second)
		s.store.Fail(errRefused)
		x.want("before its session expires", false)
		s.after(time.Minute)
		x.want("when it has expired", true)
		s.heal()
	})
}

func TestNothingToWaitFor(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		nobody := sessiontest.NewVisitor(s.T, s.a)
		s.opens(s.a, nobody).want("without a session", true)
		ctx, cancel := context.WithCancel(s.Context())
		s.Cleanup(cancel)
		s.serve(s.a, nobody, func(x *session.Session) {
			color.Set(x, "red")
			stream{T: s.T, ended: x.Done(ctx)}.want("before the session is saved", true)
			if _, err := x.Save(ctx); err != nil {
				s.Error(err)
			}
			stream{T: s.T, ended: x.Done(ctx)}.want("when it is saved", false)
		})
		x := s.opens(s.a, nobody)
		x.want("of a session", false)
		x.close()
		x.want("of a client that has left", true)
	})
}

// Streams that are over leave nothing behind.
func TestStreamsThatAreOverCostNothing(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		s.after(time.Minute)
		for range 100 {
			x := s.opens(s.a, v)
			x.close()
			x.want("of a client that has left", true) // the last that its goroutine does
		}
		if n := session.Waiting(s.a); n != 0 {
			t.Errorf("%d wait, want none", n)
		}
	})
}

// Without a backup the ends of this process are heard, and they alone.
func TestAStreamEndsWithoutABackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		s := &site{T: t, store: store, a: mustNew(t, store, nil), b: mustNew(t, store, nil)}
		for name, end := range map[string]func(*session.Session){
			"destroyed": s.ends(session.Durable),
			"renewed":   (*session.Session).Renew,
		} {
			v := s.visitor()
			s.serve(s.a, v, (*session.Session).Rotate)
			here, there := s.opens(s.a, v), s.opens(s.b, v)
			s.serve(s.a, v, (*session.Session).Rotate)
			s.after(time.Minute)
			here.want(name+": rotated", false)
			if status := s.serve(s.a, v, end); status != http.StatusOK {
				t.Errorf("%s: got status %d", name, status)
			}
			here.want(name, true)
			s.after(time.Minute)
			there.want(name+" elsewhere", false)
			s.after(time.Hour)
			there.want(name+" elsewhere, an hour later", true)
		}
	})
}

// A Manager that is closed hears of no ends: no stream outlives it.
func TestAStreamEndsWithItsManager(t *testing.T) {
	testUsers(t, session.Options{}, func(s userSite) {
		v := s.logsIn(s.a, "ann")
		here, there := s.opens(s.a, v), s.opens(s.b, v)
		s.after(2 * time.Second)
		here.want("before", false)
		if err := s.a.Close(s.Context()); err != nil {
			s.Fatal(err)
		}
		here.want("at the Manager that was closed", true)
		there.want("at the other one", false)
		s.opens(s.a, v).want("opened afterwards", true)
	})
}
