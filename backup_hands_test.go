package session_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// Two hands on one session: a Renew and a logout, or a write, that do not see
// each other.

func TestALogoutAfterManyRenewals(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		b, link := s.cutOff()
		v := s.visitor()
		for range 8 {
			s.logIn(s.a, v, "red")
		}
		old := s.copyOf(v) // the cookies of before the logout, as a late answer sets them
		s.store.Fail(errRefused)
		link.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { x.Destroy(t.Context()) })
		for _, c := range old.Request("GET", "/", nil).Cookies() {
			v.Keep(&http.Response{Header: http.Header{"Set-Cookie": {c.Name + "=" + c.Value}}})
		}
		s.want(b, v, "-")
	})
}

func TestALogoutUnderADeadTokenEndsNobodyElse(t *testing.T) {
	for _, how := range []string{"outage", "empty"} {
		t.Run(how, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v, planted := s.copied()
				s.logIn(s.a, v, "blue")
				s.want(s.a, v, "blue/")
				s.serve(s.a, planted, func(x *session.Session) { x.Destroy(t.Context()) })
				s.want(s.a, v, "blue/")
				if how == "outage" {
					s.store.Fail(errRefused)
				} else {
					s.store.Replace(memstore.New(nil))
					s.after(10 * time.Second)
				}
				s.want(s.a, v, "blue/")
			})
		})
	}
}

func TestAWriteBesideARenewalThatWaitsIsKept(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a, link := s.cutOff()
		v, tab := s.copied()
		link.Fail(errRefused)
		s.logIn(a, v, "blue")
		s.serve(s.b, tab, savesTofu(t))
		link.Heal()
		s.after(10 * time.Second)
		s.want(a, v, "blue/tofu")
		s.want(s.b, v, "blue/tofu")
	})
}

func TestAWriteBesideARenewalWithoutAnAnswerIsKept(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a, link := s.cutOff()
		v, tab := s.copied()
		old := id(t, s, v)
		link.Before(onSave(old, refused))
		s.logIn(a, v, "blue")
		s.serve(s.b, tab, savesTofu(t))
		link.Hang()
		time.Sleep(time.Second)
		link.Before(nil)
		link.Heal()
		s.after(10 * time.Second)
		s.want(a, v, "blue/tofu")
	})
}

func TestALogoutThatTravelsEndsARenewalThatWaits(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, cut := s.cutOff()
		d, cut2 := s.cutOff()
		v, thief := s.copied()
		cut.Fail(errRefused)
		cut2.Fail(errRefused)
		s.logIn(c, thief, "stolen")
		s.want(c, thief, "stolen/")
		s.serve(d, v, s.ends(session.Pending))
		s.want(c, v, "-") // it brings the tombstone cookie
		s.want(c, thief, "-")
		cut.Heal()
		s.after(10 * time.Second)
		s.want(c, thief, "-")
		s.want(s.a, thief, "-")
	})
}

func TestALogoutBesideARenewalWithoutAnAnswer(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a, link := s.cutOff()
		v, other := s.copied()
		old := id(t, s, v)
		var first atomic.Bool
		link.Before(onSave(old, func() error {
			if first.CompareAndSwap(false, true) {
				// A logout, complete and durable, before this save reaches the store.
				s.serve(a, other, s.ends(session.Durable))
				return errRefused
			}
			return nil
		}))
		st := s.serve(a, v, func(x *session.Session) { x.Renew(); color.Set(x, "blue") })
		t.Logf("renew: %d", st)
		s.after(10 * time.Second)
		s.want(a, v, "-")
		s.want(s.b, v, "-")
	})
}

func savesTofu(t *testing.T) func(*session.Session) {
	return func(x *session.Session) {
		food.Set(x, "tofu")
		if d, err := x.Save(t.Context()); d != session.Durable || err != nil {
			t.Errorf("Save: %v %v", d, err)
		}
	}
}
