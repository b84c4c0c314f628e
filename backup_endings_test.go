package session_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

func TestARestoreHasABudget(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a, link := s.cutOff()
		v := s.visitor()
		s.logIn(s.a, v, "blue") // as every login does
		s.store.Replace(memstore.New(nil))
		s.after(10 * time.Second)
		var frozen atomic.Bool
		link.Before(func(op string, id session.ID) error {
			if op == "load" && !strings.HasPrefix(string(id), "members") && frozen.CompareAndSwap(false, true) {
				go func() { time.Sleep(time.Microsecond); link.Hang() }()
			} else if frozen.Load() {
				time.Sleep(2 * time.Microsecond)
			}
			return nil
		})
		time.AfterFunc(time.Minute, link.Heal)
		begin := time.Now()
		s.want(a, v, "blue/")
		if d := time.Since(begin); d > 200*time.Millisecond {
			t.Errorf("a read took %v", d)
		}
	})
}

func TestStartNewUnderADeadTokenEndsNobodyElse(t *testing.T) {
	for _, how := range []string{"begin", "begin+logout", "revoke"} {
		t.Run(how, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v := s.visitor()
				old := id(t, s, v)
				planted := s.copyOf(v)
				s.logIn(s.a, v, "blue")
				begin := s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					x, err := session.StartNew(r.Context())
					if err != nil {
						t.Error(err)
					}
					color.Set(x, "mallory")
				}))
				switch how {
				case "begin":
					planted.Get(begin, "/")
				case "begin+logout":
					planted.Get(begin, "/")
					s.want(s.a, planted, "mallory/")
					s.serve(s.a, planted, func(x *session.Session) { x.Destroy(context.Background()) })
					s.wantAtBoth(planted, "-")
				case "revoke":
					s.a.Revoke(context.Background(), old)
				}
				s.store.Fail(errRefused)
				s.wantAtBoth(v, "blue/")
				s.heal()
				s.store.Replace(memstore.New(nil))
				s.after(10 * time.Second)
				s.want(s.a, v, "blue/")
			})
		})
	}
}

func TestARevokeEndsARenewalThatWaits(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		old := id(t, s, v)
		thief := s.copyOf(v)
		c, cut := s.cutOff()
		cut.Fail(errRefused)
		s.logIn(c, thief, "stolen")
		d, err := c.Revoke(context.Background(), old)
		t.Log(d, err)
		s.want(c, thief, "-")
		cut.Heal()
		s.after(10 * time.Second)
		s.want(c, thief, "-")
		s.want(s.b, thief, "-")
	})
}

func TestAStolenSessionThatIsRenewedOnTwoInstances(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.copied()
		c, cut := s.cutOff()
		d, cut2 := s.cutOff()
		cut.Fail(errRefused)
		cut2.Fail(errRefused)
		s.after(5 * time.Second)
		for i := range 20 {
			m := c
			if i%2 == 1 {
				m = d
			}
			s.logIn(m, thief, "stolen")
		}
		s.want(c, thief, "stolen/")
		s.serve(s.a, v, func(x *session.Session) {
			if d, err := x.Destroy(context.Background()); d != session.Durable || err != nil {
				t.Errorf("Destroy() = %v, %v", d, err)
			}
		})
		s.want(s.b, s.copyOf(thief), "-")
		cut.Heal()
		cut2.Heal()
		s.after(10 * time.Second)
		s.want(c, thief, "-")
		s.want(s.a, thief, "-")
	})
}

// A shard that refuses a tombstone is given what else it lacks: first the tombstones
// that need no look at another session, or twenty attempts at them. What a thief has
// made in an outage of a session that was logged out elsewhere does not come to life
// by that order: it is created only after the logged-out session was read.
func TestASessionIsNotDeliveredBeforeTheEndOfTheOneItCameFrom(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.copied()
		old := id(t, s, v)
		c, cut := s.cutOff()
		cut.Fail(errRefused)
		s.logIn(c, thief, "stolen")
		s.logIn(c, thief, "stolen twice")
		var stolen session.ID
		s.serve(c, thief, func(x *session.Session) { stolen = x.ID() })
		s.serve(s.a, v, s.ends(session.Durable))
		cut.Heal()
		cut.Before(func(_ string, id session.ID) error {
			if id == old {
				return errRefused
			}
			return nil
		})
		s.after(time.Minute) // some sixty attempts
		if r, err := s.store.Load(s.Context(), stolen); err == nil {
			if st, err := state.Decode(r.Data); err != nil || !st.Dead() {
				t.Errorf("the stolen session was delivered: %+v, %v", st, err)
			}
		}
		s.want(s.b, s.copyOf(thief), "-")
		cut.Before(nil)
		s.after(10 * time.Second)
		s.want(c, thief, "-")
		s.want(s.b, thief, "-")
	})
}

func TestWhatEndedIsPublishedBeforeAnyoneRestores(t *testing.T) {
	for _, how := range []string{"logout", "revoke", "begin", "renew"} {
		t.Run(how, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v := s.visitor()
				old := id(t, s, v)
				thief := s.copyOf(v)
				a, cut := s.cutOff()
				switch how {
				case "logout":
					s.serve(a, v, func(x *session.Session) { x.Destroy(context.Background()) })
				case "revoke":
					a.Revoke(context.Background(), old)
				case "begin":
					v.Get(a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						x, _ := session.StartNew(r.Context())
						color.Set(x, "new")
					})), "/")
				case "renew":
					cut.Fail(errRefused)
					s.serve(a, v, func(x *session.Session) { x.Renew() })
					cut.Heal()
				}
				s.after(20 * time.Second)
				s.store.Replace(memstore.New(nil))
				s.after(2 * time.Second)
				if j := a.Stats().Journal; j.Tombstones+j.Again != 0 {
					t.Errorf("2 s after the restart %d tombstones are not published", j.Tombstones+j.Again)
				}
				n := 0
				for range 2000 {
					s.serve(s.b, s.copyOf(thief), func(x *session.Session) {
						if x.ID() != "" && x.Source() == session.FromStore {
							n++
						}
					})
					s.after(5 * time.Millisecond)
				}
				if n > 0 {
					t.Errorf("the session was back for %d ms", n*5)
				}
			})
		})
	}
}

func TestATombstoneCookieAfterAnEmptyRestart(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a, _ := s.cutOff()
		v, thief := s.copied()
		s.serve(a, v, func(x *session.Session) { x.Destroy(context.Background()) })
		a.Close(context.Background()) // rolled out
		s.store.Replace(memstore.New(nil))
		s.after(2 * time.Second)
		s.want(s.b, v, "-") // brings the tombstone cookie, within the quarantine
		s.after(10 * time.Second)
		s.want(s.b, v, "-")
		s.after(10 * time.Second)
		s.want(s.b, thief, "-")
		s.want(s.a, thief, "-")
	})
}

// Each request carries the list of ended sessions: no longer than it is of use.
func TestTheTombstoneCookieTravelsNoLongerThanItMust(t *testing.T) {
	testSite(t, session.Options{Lifetime: 5 * time.Hour}, func(s *site) {
		lasts := func(m *session.Manager, v *sessiontest.Visitor) int {
			for _, c := range v.Get(m.Handler(http.HandlerFunc(logOut)), "/").Cookies() {
				if c.Name == "__Host-session-x" {
					return c.MaxAge
				}
			}
			return 0
		}
		v := s.visitor()
		if got := lasts(s.a, v); got != 60 {
			t.Errorf("a durable logout: the list lasts %d s, want a minute, for answers that are under way", got)
		}
		s.want(s.a, v, "-")
		pending := s.visitor()
		s.store.Fail(errRefused)
		if got := lasts(s.a, pending); got != 5*60*60 {
			t.Errorf("a pending logout: the list lasts %d s, want the session's lifetime", got)
		}
		s.heal()
	})
}
