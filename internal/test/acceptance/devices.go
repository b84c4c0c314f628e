package acceptance

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// Logins is how often a user logs in and out in the tests of how large a list grows.
var Logins = flag.Int("logins", 2_000, "how often one user logs in and out where a test looks at how large the list grows")

// refreshing is how often the sessions of users register in these tests.
const refreshing = 500 * time.Millisecond

func login(user string) func(*session.Session) {
	return func(s *session.Session) {
		left.Set(s, user)
		s.SetUser(user)
	}
}

// use has visitors read their sessions until the list of a user is theirs and no others.
func use(t *testing.T, m *session.Manager, user string, all ...*sessiontest.Visitor) {
	t.Helper()
	read := m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { left.Or(s, "") }))
	var want []session.ID
	for _, v := range all {
		want = append(want, v.Session().ID())
	}
	slices.Sort(want)
	timeleft.Poll(t, fmt.Sprintf("a list of the %d sessions of %s", len(all), user), func() bool {
		for _, v := range all {
			v.Get(read, "/")
		}
		views, err := m.Sessions(t.Context(), user)
		var got []session.ID
		for _, v := range views {
			if value, err := left.In(&v); value == user && err == nil {
				got = append(got, v.ID)
			}
		}
		slices.Sort(got)
		return err == nil && slices.Equal(got, want)
	})
}

func listedDevices(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	o := session.Options{Refresh: refreshing}
	first, second := manager(t, store, o), manager(t, store, o)
	var all []*sessiontest.Visitor
	for i := range 6 {
		m := first
		if i%2 == 0 {
			m = second
		}
		all = append(all, sessiontest.NewVisitor(t, m, login("ann")))
	}
	bob := sessiontest.NewVisitor(t, first, login("bob"))
	use(t, first, "ann", all...)
	use(t, second, "bob", bob)
	all[0].Get(second.Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		if _, err := s.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	})), "/")
	use(t, first, "ann", all[1:]...)
	if _, err := first.Revoke(t.Context(), all[1].Session().ID()); err != nil {
		t.Error(err)
	}
	use(t, second, "ann", all[2:]...)
	over := session.Record{Expires: time.Now().Add(-time.Hour)}
	if _, err := store.Save(t.Context(), session.ID(devices.ID("ann")), over, session.Any); err != nil {
		t.Fatal(err)
	}
	use(t, second, "ann", all[2:]...)
}

// limit has a user log in many times at once at two instances.
func limit(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	o := session.Options{PerUser: session.PerUser{Most: 2, Refuse: true}}
	instances := []*session.Manager{manager(t, store, o), manager(t, store, o)}
	var in, refused atomic.Int64
	together := barrier(8)
	var wg sync.WaitGroup
	for i := range 8 {
		m := instances[i%2]
		v := sessiontest.NewVisitor(t, m)
		h := m.Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			s.SetUser("ann")
			together()
			switch _, err := s.Save(r.Context()); {
			case err == nil:
				in.Add(1)
			case errors.Is(err, session.ErrTooManySessions):
				refused.Add(1)
			default:
				t.Error(err)
			}
		}))
		wg.Go(func() { v.Get(h, "/") })
	}
	wg.Wait()
	if in.Load() != 2 || refused.Load() != 6 {
		t.Errorf("%d of 8 logins at once succeeded, and %d were refused; the limit is 2", in.Load(), refused.Load())
	}
}

// ListsSurvive has visitors with copies log in, loses what the store holds, and waits until the
// list is complete again.
func ListsSurvive(t *testing.T, store session.Store, lose func()) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m := manager(t, store, session.Options{Refresh: refreshing, Backup: &session.Backup{Keys: keys, Audience: "test"}})
	var all []*sessiontest.Visitor
	for range 5 {
		all = append(all, sessiontest.NewVisitor(t, m, login("ann")))
	}
	use(t, m, "ann", all...)
	lose()
	use(t, m, "ann", all...)
}

// listBytes bounds the list of a user with a few live sessions: their rows, and the last 32 ends.
const listBytes = 2_500

// ListsStaySmall has one user log in and out many times, at two instances and with two browsers
// at each. The user has two more sessions meanwhile. The list never takes up more than the live
// sessions and the ends that it remembers, and has the two sessions afterwards.
func ListsStaySmall(t *testing.T, store session.Store) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	o := session.Options{Refresh: refreshing, Backup: &session.Backup{Keys: keys, Audience: "test"}}
	instances := []*session.Manager{manager(t, store, o), manager(t, store, o)}
	stay := []*sessiontest.Visitor{
		sessiontest.NewVisitor(t, instances[0], login("ann")),
		sessiontest.NewVisitor(t, instances[1], login("ann")),
	}
	var wg sync.WaitGroup
	var begun, largest atomic.Int64
	for i := range 4 {
		m := instances[i%2]
		logout := m.Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			if how, err := s.Destroy(r.Context()); how != session.Durable || err != nil {
				t.Errorf("a logout is %v, %v", how, err)
			}
		}))
		wg.Go(func() {
			for begun.Add(1) <= int64(*Logins) && !t.Failed() {
				sessiontest.NewVisitor(t, m, login("ann")).Get(logout, "/")
				r, err := store.Load(t.Context(), session.ID(devices.ID("ann")))
				if err != nil && !errors.Is(err, session.ErrNotFound) {
					t.Error(err)
				}
				for n := int64(len(r.Data)); ; {
					if old := largest.Load(); n <= old || largest.CompareAndSwap(old, n) {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	use(t, instances[0], "ann", stay...)
	t.Logf("%d logins and logouts: the list took up %d bytes at most", *Logins, largest.Load())
	if n := largest.Load(); n == 0 || n > listBytes {
		t.Errorf("that is none, or more than %d bytes", listBytes)
	}
}
