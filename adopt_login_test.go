package session_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

// A session that was logged in at the old library is a login here, and is listed.
func TestAnAdoptedLogin(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &audited{heard: &heard{names: map[session.ID]string{}}, t: t}
				a.m = mustNew(t, memstore.New(nil), &session.Options{Hooks: a.hooks(), Backup: testBackup(t), Adopt: &session.Adopt{
					Cookie: "old", Shared: shared,
					Read: func(_ *http.Request, s *session.Session) (until time.Time, err error) {
						s.SetUser("ann")
						return until, nil
					},
				}})
				time.Sleep(time.Minute)
				v := withOldCookie(t, a.m)
				a.wants(a.does(v, func(_ context.Context, s *session.Session) {
					if s.User() != "ann" {
						t.Errorf("got the user %q", s.User())
					}
				}), "login s1 after - ann")
				synctest.Wait()
				if all, err := a.m.Sessions(t.Context(), "ann"); len(all) != 1 || err != nil {
					t.Errorf("%d sessions are listed, %v; want one", len(all), err)
				}
				a.wants(a.does(v, func(context.Context, *session.Session) {}), "")
			})
		})
	}
}

// Read may say how long the session lasts.
func TestAnAdoptedSessionLastsAsLongAsItsStay(t *testing.T) {
	for _, shared := range []bool{false, true} {
		for _, life := range []time.Duration{time.Hour, 6 * time.Hour} {
			t.Run(fmt.Sprintf("shared %v, %v", shared, life), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := mustNew(t, memstore.New(nil), &session.Options{Lifetime: 2 * time.Hour, Idle: time.Hour, MaxLifetime: 12 * time.Hour, Backup: testBackup(t), Adopt: &session.Adopt{
						Cookie: "old", Shared: shared,
						Read: func(_ *http.Request, s *session.Session) (time.Time, error) {
							s.SetUser("ann")
							s.Remember(session.Stay{Persistent: true, Lifetime: life, Idle: life})
							return time.Now().Add(time.Minute), nil
						},
					}})
					time.Sleep(time.Minute)
					v := withOldCookie(t, m)
					inRequest(v, m, read)
					began := time.Now()
					for loggedIn(v) && time.Since(began) <= life {
						time.Sleep(life / 60)
						inRequest(v, m, read)
					}
					if got := time.Since(began); got < life-life/20 || got > life+life/20 {
						t.Errorf("Remember said %v, and the session, in use all the time, lasts %v", life, got)
					}
				})
			})
		}
	}
}

func withOldCookie(t *testing.T, m *session.Manager) *sessiontest.Visitor {
	v := sessiontest.NewVisitor(t, m)
	v.Keep(&http.Response{Header: http.Header{"Set-Cookie": {"old=abc"}}})
	return v
}
