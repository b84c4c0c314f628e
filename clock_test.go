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
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// leftStore is a store like Redis, which is told how much time is left, for a Manager
// whose clock is ahead.
type leftStore struct {
	session.Store
	ahead time.Duration
}

func (s leftStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	r.Expires = r.Expires.Add(-s.ahead)
	return s.Store.Save(ctx, id, r, over)
}

// A clock that was ahead is put right: dates from the future count as now.
func TestWhoWasSeenByAClockAheadStaysWhenItIsPutRight(t *testing.T) {
	for _, test := range []struct {
		name   string
		ahead  time.Duration
		backup bool
	}{
		{"by an hour", time.Hour, false},
		{"by eight hours", 8 * time.Hour, false},
		{"by eight hours, with a backup", 8 * time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o session.Options
				if test.backup {
					keys, err := seal.NewKeys(seal.NewKey())
					if err != nil {
						t.Fatal(err)
					}
					o.Backup = &session.Backup{Keys: keys, Audience: "test"}
				}
				store := memstore.New(nil)
				before, err := session.Without(leftStore{store, test.ahead}, &o, test.ahead)
				if err != nil {
					t.Fatal(err)
				}
				v := sessiontest.NewVisitor(t, before, func(s *session.Session) { user.Set(s, "ann") })
				if err := before.Close(t.Context()); err != nil {
					t.Fatal(err)
				}

				m := mustNew(t, store, &o)
				got := ""
				page := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { got = user.Or(s, "nobody") }))
				for minute := range 120 {
					time.Sleep(time.Minute)
					if v.Get(page, "/"); got != "ann" {
						t.Fatalf("after %d minutes with a visit each the page shows %q", minute+1, got)
					}
				}
				if n := m.Stats().Saves + m.Stats().Refreshes; n > 120/3+1 {
					t.Errorf("%d saves in two hours: more than one in each Refresh", n)
				}
			})
		})
	}
}

// Two instances take turns, and the clock of one is wrong.
func TestWhoVisitsInstancesWithOtherClocksStays(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Minute, time.Hour, 8 * time.Hour, -time.Hour, -8 * time.Hour} {
		for _, backup := range []bool{false, true} {
			if backup && ahead.Abs() != time.Hour {
				continue // it takes long, since the instances tell each other of ended sessions each second
			}
			t.Run(fmt.Sprintf("%v ahead, backup %v", ahead, backup), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := session.Options{Idle: 10 * time.Minute}
					if backup {
						keys, err := seal.NewKeys(seal.NewKey())
						if err != nil {
							t.Fatal(err)
						}
						o.Backup = &session.Backup{Keys: keys, Audience: "test"}
					}
					store, got := memstore.New(nil), ""
					wrong, err := session.Without(leftStore{store, ahead}, &o, ahead)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = wrong.Close(context.Background()) })
					right := mustNew(t, store, &o)
					show := ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { got = user.Or(s, "nobody") })
					time.Sleep(10 * time.Second) // both have heard which sessions have ended
					for _, first := range []*session.Manager{wrong, right} {
						v := sessiontest.NewVisitor(t, first, func(s *session.Session) { user.Set(s, "ann") })
						for i := range 15 {
							time.Sleep(time.Minute)
							m := []*session.Manager{right, wrong}[i%2]
							if v.Get(m.Handler(show), "/"); got != "ann" {
								t.Fatalf("after %d minutes with a visit each the page shows %q", i+1, got)
							}
						}
						time.Sleep(22 * time.Minute) // a copy may be stamped ten minutes late
						if v.Get(right.Handler(show), "/"); got != "nobody" {
							t.Errorf("after 22 minutes without one it shows %q", got)
						}
					}
				})
			})
		}
	}
}

// A user's sessions end wherever they began, also by an instance whose clock was ahead by more
// than the minute that a revocation adds.
func TestARevocationEndsTheLoginsOfAClockAhead(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Minute, 8 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keys, err := seal.NewKeys(seal.NewKey())
				if err != nil {
					t.Fatal(err)
				}
				o, store := session.Options{Backup: &session.Backup{Keys: keys, Audience: "test"}}, memstore.New(nil)
				wrong, err := session.Without(leftStore{store, ahead}, &o, ahead)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = wrong.Close(context.Background()) })
				right := mustNew(t, store, &o)
				time.Sleep(10 * time.Second) // both have heard which sessions have ended
				login := func(s *session.Session) { s.SetUser("ann"); user.Set(s, "ann") }
				v := sessiontest.NewVisitor(t, wrong, login)
				time.Sleep(time.Second) // until the login is listed
				if d, err := right.RevokeUser(t.Context(), "ann"); d != session.Durable || err != nil {
					t.Fatalf("RevokeUser = %v, %v", d, err)
				}
				time.Sleep(2 * time.Second)
				got := ""
				show := ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { got = user.Or(s, "nobody") })
				for name, m := range map[string]*session.Manager{"right": right, "wrong": wrong} {
					if v.Get(m.Handler(show), "/"); got != "nobody" {
						t.Errorf("at the instance whose clock is %s the page shows %q", name, got)
					}
				}
				again := sessiontest.NewVisitor(t, right, login)
				for name, m := range map[string]*session.Manager{"right": right, "wrong": wrong} {
					if again.Get(m.Handler(show), "/"); got != "ann" {
						t.Errorf("after a login, at the instance whose clock is %s the page shows %q", name, got)
					}
				}
			})
		})
	}
}
