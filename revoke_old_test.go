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
// Nobody held the old session for live then, so that what it became goes on: DESIGN's "a
// token that a Renew had already ended when it was presented ends nobody". It takes an instance a
// second to notice that the store has lost its data. Until then such a Revoke does end the
// session: whoever ends an old ID in that second ends too much, and never too little.
func TestRevokeOfARenewedIDAfterAFlushEndsNobody(t *testing.T) {
	for _, wait := range []time.Duration{time.Second, 10 * time.Second} {
		for _, elsewhere := range []bool{false, true} {
			t.Run(fmt.Sprintf("after %v, at another instance: %v", wait, elsewhere), func(t *testing.T) {
				testSite(t, session.Options{}, func(s *site) {
					v := sessiontest.NewVisitor(t, s.a, func(x *session.Session) { user.Set(x, "bob") })
					old := v.Session().ID()
					inRequest(v, s.a, (*session.Session).Renew)
					time.Sleep(3 * time.Second) // both instances know it
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
