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

// interval is the refresh interval of the test that says how long a lost list is incomplete.
var interval = flag.Duration("interval", refreshing, "the refresh interval of the test that loses lists of sessions in use")

const (
	inUse = 24 // sessions whose list is lost
	every = 20 * time.Millisecond
)

// ListsAreComplete has a store lose the list of a user's sessions, which are in use at two
// instances, and says after how long all of them are listed again. Each session is used until one
// refresh interval is over, and not again: the list must be complete by then, but for what is
// under way.
func ListsAreComplete(t *testing.T, store session.Store, evict func(session.ID)) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	o := session.Options{Refresh: *interval, Idle: 10 * *interval, Backup: &session.Backup{Keys: keys, Audience: "test"}}
	instances := []*session.Manager{manager(t, store, o), manager(t, store, o)}
	var all []*sessiontest.Visitor
	for i := range inUse {
		all = append(all, sessiontest.NewVisitor(t, instances[i%2], login("ann")))
	}
	list := func() int {
		views, err := instances[0].Sessions(t.Context(), "ann")
		if err != nil {
			return 0
		}
		return len(views)
	}
	timeleft.Poll(t, "a list of all sessions", func() bool { return list() == inUse })
	longest := time.Duration(0)
	for round := range timeleft.Each(t, "lists lost", 5) {
		evict(session.ID(devices.ID("ann")))
		lost := time.Now()
		if n := list(); n == inUse {
			t.Fatal("the list is there: the test shows nothing")
		}
		var wg sync.WaitGroup
		for i, v := range all {
			wg.Go(func() { useFor(t, v, instances, i+round, lost.Add(*interval)) })
		}
		took := make(chan time.Duration, 1)
		wg.Go(func() {
			timeleft.Poll(t, fmt.Sprintf("a list of %d sessions that were used for one refresh interval", inUse), func() bool { return list() == inUse })
			took <- time.Since(lost)
		})
		wg.Wait()
		if t.Failed() {
			return
		}
		longest = max(longest, <-took)
	}
	t.Logf("%d sessions in use were listed again %v after the list was lost, at most: %.2f of Options.Refresh, which is %v",
		inUse, longest.Round(time.Millisecond), longest.Seconds()/interval.Seconds(), *interval)
}

// useFor has a visitor read the session at instances in turn. The last request begins when a
// time has come.
func useFor(t *testing.T, v *sessiontest.Visitor, instances []*session.Manager, first int, until time.Time) {
	for i, last := first, false; !last; i++ {
		last = !time.Now().Before(until)
		m := instances[i%len(instances)]
		v.Get(m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { left.Or(s, "") })), "/")
		time.Sleep(every)
	}
}

// browsers is how many browsers log in and out at once at each instance.
const browsers = 8

// listBytes bounds the list of a user with two sessions and those of all browsers: their rows, and
// the last 32 ends.
const listBytes = 4_000

// ListsStaySmall has one user log in and out many times, at two instances and with several
// browsers at each. The user has two more sessions meanwhile. The list never takes up more than
// the live sessions and the ends that it remembers, and has the two sessions afterwards.
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
	over := timeleft.Half(t)
	var wg sync.WaitGroup
	var begun, done, largest atomic.Int64
	for i := range 2 * browsers {
		m := instances[i%2]
		logout := m.Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			if how, err := s.Destroy(r.Context()); how != session.Durable || err != nil {
				t.Errorf("a logout is %v, %v", how, err)
			}
		}))
		wg.Go(func() {
			for begun.Add(1) <= int64(*Logins) && !t.Failed() && !over() {
				sessiontest.NewVisitor(t, m, login("ann")).Get(logout, "/")
				r, err := store.Load(t.Context(), session.ID(devices.ID("ann")))
				if err != nil && !errors.Is(err, session.ErrNotFound) {
					t.Error(err)
				}
				done.Add(1)
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
	r, err := store.Load(t.Context(), session.ID(devices.ID("ann")))
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d of %d logins and logouts: the list took up %d bytes at most, %d in the end", done.Load(), *Logins, largest.Load(), len(r.Data))
	if n := largest.Load(); n == 0 || n > listBytes {
		t.Errorf("that is none, or more than %d bytes", listBytes)
	}
	for i, v := range stay {
		v.Get(instances[i].Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { _, _ = s.Destroy(r.Context()) })), "/")
	}
	use(t, instances[0], "ann")
}
