package session_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var errRefused = errors.New("connection refused")

// site is two instances of an application over one store that can be taken
// away, in a bubble of virtual time.
type site struct {
	*testing.T
	store  *storetest.Faulty
	a, b   *session.Manager
	keys   *seal.Keys
	faults map[session.BackupFault]int
}

func testSite(t *testing.T, o session.Options, test func(*site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{T: t, store: storetest.NewFaulty(memstore.New(nil)), faults: map[session.BackupFault]int{}}
		if o.Backup == nil {
			o.Backup = &session.Backup{}
		}
		if o.Backup.Keys == nil {
			o.Backup.Keys = mustKeys(t, seal.NewKey())
		}
		if o.Backup.Audience == "" {
			o.Backup.Audience = "shop-test"
		}
		s.keys = o.Backup.Keys
		if o.Hooks.Backup == nil {
			o.Hooks.Backup = func(_ context.Context, _ session.ID, f session.BackupFault, _ error) { s.faults[f]++ }
		}
		s.a, s.b = mustNew(t, s.store, &o), mustNew(t, s.store, &o)
		time.Sleep(10 * time.Second) // a new store is not believed at once
		synctest.Wait()
		test(s)
		s.store.Heal()
	})
}

func mustKeys(t *testing.T, keys ...seal.Key) *seal.Keys {
	t.Helper()
	k, err := seal.NewKeys(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// serve sends a request of v to an instance, and returns its status.
func (s *site) serve(m *session.Manager, v *sessiontest.Visitor, f func(*session.Session)) int {
	s.Helper()
	answer := v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		f(x)
	})), "/")
	return answer.StatusCode
}

// holds returns what two keys hold for v, "-" where there is no session.
func (s *site) holds(m *session.Manager, v *sessiontest.Visitor) (got string) {
	s.Helper()
	got = "503"
	s.serve(m, v, func(x *session.Session) {
		if got = "-"; x.ID() != "" {
			got = color.Or(x, "") + "/" + food.Or(x, "")
		}
	})
	return got
}

func (s *site) want(m *session.Manager, v *sessiontest.Visitor, want string) {
	s.Helper()
	if got := s.holds(m, v); got != want {
		s.Errorf("the session holds %s, want %s", got, want)
	}
}

// wantAtBoth is want at one instance and then at the other.
func (s *site) wantAtBoth(v *sessiontest.Visitor, want string) {
	s.Helper()
	s.want(s.a, v, want)
	s.want(s.b, v, want)
}

func (s *site) visitor() *sessiontest.Visitor {
	s.Helper()
	v := sessiontest.NewVisitor(s.T, s.a)
	if status := s.serve(s.a, v, func(x *session.Session) { color.Set(x, "red") }); status != 200 {
		s.Fatalf("the first request: %d", status)
	}
	return v
}

// after lets the application be for a while.
func (s *site) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// heal gives the store back, and waits until the instances have found it.
func (s *site) heal() {
	s.store.Heal()
	s.after(10 * time.Second)
}

// startInstance adds an instance, which opens what the others seal.
func (s *site) startInstance(store session.Store, o session.Options) *session.Manager {
	s.Helper()
	if o.Backup == nil {
		o.Backup = &session.Backup{}
	}
	o.Backup.Audience, o.Backup.Keys = "shop-test", s.keys
	return mustNew(s.T, store, &o)
}

// copyOf returns a visitor who has stolen the cookies of v.
func (s *site) copyOf(v *sessiontest.Visitor) *sessiontest.Visitor {
	thief := sessiontest.NewVisitor(s.T, s.a)
	out := http.Header{}
	for _, c := range v.Request("GET", "/", nil).Cookies() {
		out.Add("Set-Cookie", c.Name+"="+c.Value)
	}
	thief.Keep(&http.Response{Header: out})
	return thief
}

func (s *site) instance(skew time.Duration, b session.Backup, o session.Options) (*session.Manager, *storetest.Faulty) {
	link := storetest.NewFaulty(s.store)
	b.Keys = s.keys
	b.Audience = "shop-test"
	o.Backup = &b
	m, err := session.Without(link, &o, skew)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { link.Heal(); m.Close(context.Background()) })
	s.after(10 * time.Second)
	return m, link
}

// cutOff adds an instance, and returns what is between it and the store.
func (s *site) cutOff() (*session.Manager, *storetest.Faulty) {
	s.Helper()
	return s.instance(0, session.Backup{}, session.Options{})
}

// copied returns a visitor, and another one with a copy of the cookies: a tab
// whose answers are late, or a thief.
func (s *site) copied() (v, other *sessiontest.Visitor) {
	s.Helper()
	v = s.visitor()
	return v, s.copyOf(v)
}

// rotated returns a visitor whose token was rotated, and one who has the cookies
// of before.
func (s *site) rotated() (v, old *sessiontest.Visitor) {
	s.Helper()
	v, old = s.copied()
	s.serve(s.a, v, rotate)
	return v, old
}

// logIn renews the session of v, and fails the test where that is refused.
func (s *site) logIn(m *session.Manager, v *sessiontest.Visitor, as string) {
	s.Helper()
	if status := s.serve(m, v, func(x *session.Session) { x.Renew(); color.Set(x, as) }); status != http.StatusOK {
		s.Fatalf("login: %d", status)
	}
}

// ends returns a handler that ends the session, which must come as far as want.
func (s *site) ends(want session.Durability) func(*session.Session) {
	return func(x *session.Session) {
		s.Helper()
		if got, err := x.Destroy(s.Context()); got != want || err != nil {
			s.Errorf("Destroy() = %v, %v, want %v", got, err, want)
		}
	}
}

// onSave returns a hook of a Faulty that calls do for the saves of one session.
func onSave(id session.ID, do func() error) func(string, session.ID) error {
	return func(op string, i session.ID) error {
		if op == "save" && i == id {
			return do()
		}
		return nil
	}
}

func refused() error { return errRefused }

// deliveredOrMet runs test on two sites: on one the journal delivers what waits
// for the store, on the other a request meets it first.
func deliveredOrMet(t *testing.T, test func(s *site, met bool)) {
	t.Helper()
	for _, how := range []string{"delivered", "met"} {
		t.Run(how, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) { test(s, how == "met") })
		})
	}
}

// forgotten is longer than what a commit has saved stays known to its process.
const forgotten = 40 * time.Second
