// Package acceptance tests what sessions promise to visitors, on any store: the
// root module runs it on memory, each store's module on the real server.
package acceptance

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

var (
	left    = session.NewKey[string]("left")
	right   = session.NewKey[string]("right")
	counter = session.NewKey[int]("counter")
)

// Run tests all promises on stores that open makes.
func Run(t *testing.T, open func(testing.TB) session.Store) {
	t.Run("costs", func(t *testing.T) { costs(t, open) })
	t.Run("200 rounds of two requests that each add a key keep both", func(t *testing.T) { twoKeys(t, open) })
	t.Run("50 parallel increments give 50", func(t *testing.T) { increments(t, open) })
	t.Run("increments on two instances lose nothing", func(t *testing.T) { twoInstances(t, open) })
	t.Run("a request that overlaps a logout does not log in again", func(t *testing.T) { overlapLogout(t, open) })
	t.Run("a write that overlaps a login is not lost", func(t *testing.T) { overlapLogin(t, open) })
	t.Run("ten parallel requests that rotate are answered, with one token", func(t *testing.T) { rotations(t, open, 1, 10) })
	t.Run("fifty on three instances that rotate are answered, with one token", func(t *testing.T) { rotations(t, open, 3, 50) })
	t.Run("a rotated token leads to the session, and a logout with it ends it", func(t *testing.T) { rotatedToken(t, open) })
	t.Run("a token of the visitor's choosing is never adopted", func(t *testing.T) { fixation(t, open) })
	t.Run("what is listed can be revoked", func(t *testing.T) { listAndRevoke(t, open) })
	t.Run("the list of a user's sessions is complete, also where the store has lost it", func(t *testing.T) { listedDevices(t, open) })
	t.Run("of eight logins at once two succeed where a user may have two sessions", func(t *testing.T) { limit(t, open) })
}

// patient keeps slow machines out of what is tested.
func patient(o session.Options) *session.Options {
	o.ReadTimeout, o.SaveTimeout = 20*time.Second, 20*time.Second
	return &o
}

func manager(t testing.TB, store session.Store, o session.Options) *session.Manager {
	t.Helper()
	m, err := session.New(store, patient(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { settle(t, m) })
	return m
}

// settle waits for the work in the background.
func settle(t testing.TB, m *session.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
}

// do returns a handler that runs f with its session, and fails the test where
// there is an error.
func do(t testing.TB, f func(w http.ResponseWriter, r *http.Request, s *session.Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			t.Errorf("From: %v", err)
		}
		f(w, r, s)
	})
}
