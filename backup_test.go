package session_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var (
	color = session.NewKey[string]("color")
	food  = session.NewKey[string]("food", session.Uncompressed()) // so that its length is known
	card  = session.NewKey[string]("card", session.ServerOnly())
)

func TestVisitorsStayWhileTheStoreIsAway(t *testing.T) {
	for name, away := range map[string]func(*storetest.Faulty){
		"killed": func(f *storetest.Faulty) { f.Fail(errRefused) },
		"frozen": (*storetest.Faulty).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v := s.visitor()
				away(s.store)
				s.want(s.a, v, "red/")
				if status := s.serve(s.a, v, func(x *session.Session) {
					if x.Source() != session.FromBackup {
						t.Errorf("Source() = %v", x.Source())
					}
					food.Set(x, "tofu")
					if d, err := x.Save(t.Context()); d != session.Pending || err != nil {
						t.Errorf("Save() = %v, %v", d, err)
					}
				}); status != 200 {
					t.Errorf("a write: %d", status)
				}
				s.want(s.b, v, "red/tofu") // it is in the cookie
				s.after(time.Hour / 2)
				s.heal()
				if n := s.a.Stats().Journal; n.States+n.Tombstones != 0 {
					t.Errorf("the journal holds %+v", n)
				}
				r, err := s.store.Load(t.Context(), id(t, s, v))
				if err != nil || len(r.Data) == 0 {
					t.Errorf("the store: %v", err)
				}
				s.wantAtBoth(v, "red/tofu")
			})
		})
	}
}

func id(t *testing.T, s *site, v *sessiontest.Visitor) (id session.ID) {
	t.Helper()
	s.serve(s.a, v, func(x *session.Session) { id = x.ID() })
	return id
}

func TestAStoreThatRestartsEmptyIsFilledAgain(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, gone := s.visitor(), s.visitor()
		s.store.Replace(memstore.New(nil))
		s.want(s.b, v, "red/")
		s.after(10 * time.Second)
		s.want(s.b, v, "red/")
		if n := s.b.Stats().Restores; n != 1 {
			t.Errorf("%d restores, want 1", n)
		}
		for _, m := range []*session.Manager{s.a, s.b} {
			s.serve(m, v, func(x *session.Session) {
				if x.Source() != session.FromStore {
					t.Errorf("Source() = %v", x.Source())
				}
			})
		}
		s.after(2 * time.Hour) // longer than the idle timeout, and than the lease
		s.want(s.a, gone, "-")
	})
}

func TestAWriteArrivesEvenIfItsVisitorNeverReturns(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		key := id(t, s, v)
		s.store.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, "blue") })
		s.after(20 * time.Second)
		s.store.Replace(memstore.New(nil))
		s.heal()
		if _, err := s.store.Load(t.Context(), key); err != nil {
			t.Errorf("the store: %v", err)
		}
		s.want(s.a, v, "blue/")
	})
}

func TestALogoutWhileTheStoreIsAway(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.copied()
		s.store.Fail(errRefused)
		s.serve(s.a, v, s.ends(session.Pending))
		s.want(s.a, v, "-")
		s.want(s.a, thief, "-")
		s.want(s.b, v, "-")
		s.after(5 * time.Second)
		s.heal()
		s.wantAtBoth(thief, "-")
	})
}

func TestALogoutOutlivesAnEmptyRestart(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.copied()
		s.serve(s.a, v, func(x *session.Session) { x.Destroy(t.Context()) })
		s.store.Replace(memstore.New(nil))
		s.want(s.a, thief, "-")
		s.after(10 * time.Second)
		s.want(s.b, thief, "-")
		s.want(s.a, thief, "-")
	})
}

func TestALoginWhileTheStoreIsAway(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, planted := s.copied()
		s.store.Fail(errRefused)
		s.logIn(s.a, v, "blue")
		s.wantAtBoth(v, "blue/")
		s.want(s.a, planted, "-")
		s.after(5 * time.Second)
		s.heal()
		s.wantAtBoth(v, "blue/")
		s.wantAtBoth(planted, "-")
	})
}

func TestAStolenSessionThatIsRenewedDoesNotOutliveTheLogout(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.copied()
		// The thief finds an instance that is cut off.
		cut := storetest.NewFaulty(s.store)
		c := s.startInstance(cut, session.Options{})
		s.after(10 * time.Second)
		cut.Fail(errRefused)
		s.after(5 * time.Second)
		s.logIn(c, thief, "stolen")
		s.want(c, thief, "stolen/")
		s.serve(s.a, v, s.ends(session.Durable))
		cut.Heal()
		s.after(10 * time.Second)
		s.want(c, thief, "-")
		s.wantAtBoth(thief, "-")
	})
}

func TestTwoTabsWriteWhileTheStoreIsAway(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.store.Fail(errRefused)
		tab := s.copyOf(v)
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, "blue") })
		s.serve(s.b, tab, func(x *session.Session) { food.Set(x, "tofu") })
		// Both answers reach the one browser.
		for _, c := range tab.Request("GET", "/", nil).Cookies() {
			v.Keep(&http.Response{Header: http.Header{"Set-Cookie": {c.Name + "=" + c.Value}}})
		}
		s.heal()
		s.wantAtBoth(v, "blue/tofu")
	})
}

func TestWhatIsOnTheServerOnlyIsNeverTakenForNothing(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.serve(s.a, v, func(x *session.Session) { card.Set(x, "1234") })
		s.after(forgotten)
		s.store.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) {
			if _, err := card.Get(x); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Get: %v, want ErrUnavailable", err)
			}
		})
		if status := s.serve(s.a, v, func(x *session.Session) {
			card.Set(x, "5678")
			if err := x.Err(); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Set: %v, want ErrUnavailable", err)
			}
		}); status != 503 {
			t.Errorf("a write of it: %d, want 503", status)
		}
		s.heal()
		s.serve(s.a, v, func(x *session.Session) {
			if got, err := card.Get(x); got != "1234" || err != nil {
				t.Errorf("Get: %q, %v", got, err)
			}
		})
		s.after(forgotten)
		s.store.Replace(memstore.New(nil))
		s.after(10 * time.Second)
		s.want(s.a, v, "red/")
		s.serve(s.a, v, func(x *session.Session) {
			if _, err := card.Get(x); !errors.Is(err, session.ErrLost) {
				t.Errorf("Get: %v, want ErrLost", err)
			}
			card.Set(x, "9")
			if err := x.Err(); err != nil {
				t.Errorf("Set: %v", err)
			}
		})
		s.serve(s.a, v, func(x *session.Session) {
			if got, err := card.Get(x); got != "9" || err != nil {
				t.Errorf("Get: %q, %v", got, err)
			}
		})
	})
}

func TestABackupEndsWithItsLeaseAndWithTheIdleTimeout(t *testing.T) {
	testSite(t, session.Options{Idle: time.Hour, Refresh: 6 * time.Minute, Backup: &session.Backup{Lease: 30 * time.Minute}}, func(s *site) {
		v, old := s.copied()
		s.store.Fail(errRefused)
		s.after(25 * time.Minute)
		s.want(s.a, v, "red/")
		s.after(6 * time.Minute)
		s.want(s.a, v, "503") // an instance that cannot see the store prolongs nothing
		s.want(s.a, old, "503")
		if s.faults[session.BackupStale] == 0 {
			t.Error("the hook was not told of a stale backup")
		}
		s.heal()
		s.want(s.a, v, "red/")
		s.after(67 * time.Minute)
		s.want(s.a, v, "-")
	})
}

// cachingStore answers from its cache whatever happens to the store.
type cachingStore struct {
	*storetest.Faulty
	cache map[session.ID]session.Record
}

func (s *cachingStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if r, ok := s.cache[id]; ok {
		r.Cached = true
		return r, nil
	}
	r, err := s.Faulty.Load(ctx, id)
	if err == nil {
		s.cache[id] = r
	}
	return r, err
}

func TestACacheThatAnswersProlongsNoLease(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		m := mustNew(s.T, &cachingStore{s.store, map[session.ID]session.Record{}}, &session.Options{
			Idle: 12 * time.Hour, Backup: &session.Backup{Audience: "shop-test", Keys: s.keys, Lease: time.Hour},
		})
		s.after(10 * time.Second)
		v := sessiontest.NewVisitor(s.T, m)
		s.serve(m, v, func(x *session.Session) { color.Set(x, "red") })
		s.want(m, v, "red/")
		s.store.Fail(errRefused)
		for range 59 {
			s.want(m, v, "red/")
			s.after(time.Minute)
		}
		s.after(2 * time.Minute)
		s.want(m, v, "503")
	})
}
