// Package instancetest runs instances that follow a fleet's order, for tests of monitors
// and drills.
package instancetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/seal"
)

var count = session.NewKey[int]("count")

// Instance is a server whose visitors count. A request of /count adds one and answers the
// sum; GET /shown answers it; /safe counts only where the store answers; POST /logout ends
// the session; GET /stats answers Manager.Stats as JSON.
type Instance struct {
	URL      string
	Follower *override.Follower
	Sessions *session.Manager
}

// Start runs an instance until the test ends.
func Start(t testing.TB, store session.Store, keys *seal.Keys, source override.Source, change ...func(*session.Options)) *Instance {
	t.Helper()
	follower, err := override.Follow(source, &override.FollowOptions{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = follower.Close() })
	o := &session.Options{
		Cookie: session.Cookie{Insecure: true},
		Switch: follower,
		Backup: &session.Backup{Keys: keys, Audience: "fleet-test"},
	}
	for _, c := range change {
		c(o)
	}
	sessions, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(routes(sessions))
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = sessions.Close(ctx) // the store may be gone by now
	})
	return &Instance{server.URL, follower, sessions}
}

func routes(sessions *session.Manager) http.Handler {
	counting := withSession(func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		sum := 0
		_ = count.Update(s, func(n *int) error { // the commit has its error
			*n++
			sum = *n
			return nil
		})
		fmt.Fprint(w, sum)
	})
	inner := http.NewServeMux()
	inner.Handle("/count", counting)
	inner.Handle("/safe", sessions.RequireStore(counting))
	inner.Handle("GET /shown", withSession(func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		fmt.Fprint(w, count.Or(s, 0))
	}))
	inner.Handle("POST /logout", withSession(func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		if _, err := s.Destroy(r.Context()); err != nil {
			session.Error(w, r, err)
		}
	}))
	outer := http.NewServeMux()
	outer.Handle("/", sessions.Handler(inner))
	outer.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(sessions.Stats()) // to a client that may have left
	})
	return outer
}

func withSession(h func(http.ResponseWriter, *http.Request, *session.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		h(w, r, s)
	}
}

// Keys returns keys of a fleet's own.
func Keys(t testing.TB) *seal.Keys {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// OpenCoordinator opens the coordinator at an address until the test ends.
func OpenCoordinator(t testing.TB, address string) coordinator.Coordinator {
	t.Helper()
	a, err := coordinator.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := coordinator.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
