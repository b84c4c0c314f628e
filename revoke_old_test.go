package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

// An administrator ends an ID that a Renew has replaced, after the store has lost its data.
// Nobody held the old session for live then, so that what it became goes on, whenever after
// the loss that was, and also where the instance has not noticed the loss yet.
func TestRevokeOfARenewedIDAfterAFlushEndsNobody(t *testing.T) {
	for _, known := range []time.Duration{0, 3 * time.Second} {
		for _, wait := range []time.Duration{0, 300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second} {
			for _, elsewhere := range []bool{false, true} {
				t.Run(fmt.Sprintf("known for %v, after %v, at another instance: %v", known, wait, elsewhere), func(t *testing.T) {
					testSite(t, session.Options{}, func(s *site) {
						v := sessiontest.NewVisitor(t, s.a, func(x *session.Session) { user.Set(x, "bob") })
						old := v.Session().ID()
						inRequest(v, s.a, (*session.Session).Renew)
						time.Sleep(known)
						s.store.Replace(memstore.New(nil))
						time.Sleep(wait)
						m := s.a
						if elsewhere {
							m = s.b
						}
						if _, err := m.Revoke(t.Context(), old); err != nil {
							t.Fatal(err)
						}
						for range 4 {
							time.Sleep(10 * time.Second)
							for name, m := range map[string]*session.Manager{"a": s.a, "b": s.b} {
								inRequest(v, m, func(x *session.Session) {
									if got := user.Or(x, "nobody"); got != "bob" {
										t.Errorf("at %s: %s, want bob", name, got)
									}
								})
							}
						}
					})
				})
			}
		}
	}
}

// A session that is live, of which the store has lost the record, does end: at once at the
// instance that was asked, and everywhere when the others have said what had ended before.
func TestRevokeOfALiveIDAfterAFlushEndsIt(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Second, 3 * time.Second, 10 * time.Second} {
		t.Run(fmt.Sprint("after ", wait), func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v := sessiontest.NewVisitor(t, s.a, func(x *session.Session) { user.Set(x, "bob") })
				id := v.Session().ID()
				s.store.Replace(memstore.New(nil))
				time.Sleep(wait)
				d, err := s.a.Revoke(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				s.want(s.a, v, "-")
				within := 10 * time.Second
				if d == session.Durable {
					within = 2 * time.Second
				}
				s.after(within)
				s.wantAtBoth(v, "-")
				if waited := d == session.Pending; waited != (wait < 5*time.Second) {
					t.Errorf("the end is %v", d)
				}
			})
		})
	}
}
