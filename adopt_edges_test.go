package session_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
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
				o := &session.Options{Adopt: s.lib.adopt()}
				if backup {
					o.Backup = &session.Backup{Audience: "test", Keys: mustKeys(t, seal.NewKey())}
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

func rotates(x *session.Session) { _ = x.Rotate() }

// The visitor of a ReadOnly route has no token of ours, so that somebody who has
// a copy of the old cookie may rotate the session before them.
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
			x, err := session.Begin(r.Context())
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
