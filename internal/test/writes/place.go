// Package writes tests on real servers that what was acknowledged is in the store:
// parallel Updates of one session, over lines that are slow, stall and break, and the
// tabs of a browser in an outage of the server.
package writes

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

// patience is for machines that do much else at the same time. It decides nothing in a
// test that passes.
const patience = time.Minute

// Dial is how a client connects.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Place is a server that keeps sessions.
type Place struct {
	// Address is the server's.
	Address string

	// Open returns the store as one instance sees it, by connections of its own. A
	// client that is patient does not give up connections that say nothing for some
	// seconds.
	Open func(t testing.TB, dial Dial, patient bool) Store
}

// Server is a Place on a real server that its test starts.
type Server struct {
	Place
	Freeze, Thaw func() // what it holds stays
}

// notShort skips the test under -short: outages take half a minute. "make test" and "make
// race" run them, and CI runs the second in its short form.
func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("outages are not short: make test and make race run them in full")
	}
}

// Store is a store that tells when it is back.
type Store interface {
	session.Store
	session.Prober
}

// setting is how the instances of a test are set up.
type setting struct {
	instances int
	backup    bool
	read      time.Duration // ReadTimeout
	save      time.Duration // SaveTimeout
	plain     bool          // visitors come over HTTP
	patient   bool          // clients are
}

// options are those of an instance, with times that are the tests' or generous.
func (s setting) options(read, save time.Duration, keys *seal.Keys) *session.Options {
	o := &session.Options{ReadTimeout: read, SaveTimeout: save, Cookie: session.Cookie{Insecure: s.plain}}
	if keys != nil {
		o.Backup = &session.Backup{Keys: keys, Audience: "writes"}
	}
	return o
}

// instance is one process of the application: its Manager, and the line to the
// server.
type instance struct {
	*session.Manager
	line  *relay.Line
	store *watched
	downs atomic.Int64 // how often it took the server for away
}

// settle waits until an instance owes the store nothing.
func (i *instance) settle(t testing.TB) {
	t.Helper()
	until(t, "an instance that owes nothing", func() bool {
		st := i.Stats()
		return st.Journal.States == 0 && st.Journal.Tombstones == 0
	})
}

// connect makes the instance use all connections that its client has for a session.
// They are made when they are first used, and on a slow line that takes long.
func (i *instance) connect(t testing.TB, session http.Header) {
	t.Helper()
	for range 30 {
		until(t, "an instance that is connected", func() bool { return i.Load(t.Context(), session).Err() == nil })
	}
	i.store.reset()
}

// open starts the instances, which seal their copies by keys; without keys they have no
// backup.
func (p Place) open(t testing.TB, s setting, keys *seal.Keys) []*instance {
	t.Helper()
	all := make([]*instance, s.instances)
	for n := range all {
		i := &instance{line: relay.NewLine(t, p.Address)}
		i.store = &watched{Store: p.Open(t, i.line.Dial, s.patient)}
		o := s.options(s.read, s.save, keys)
		o.Hooks.Down = func(context.Context, string, error) { i.downs.Add(1) }
		i.Manager = manager(t, i.store, o)
		all[n] = i
	}
	return all
}

// beside returns an instance that has all the time it needs, over connections that
// nothing disturbs.
func (p Place) beside(t testing.TB, s setting, keys *seal.Keys) *session.Manager {
	t.Helper()
	store := p.Open(t, new(net.Dialer).DialContext, true)
	return manager(t, store, s.options(patience, patience, keys))
}

func manager(t testing.TB, store session.Store, o *session.Options) *session.Manager {
	t.Helper()
	m, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, m) })
	return m
}

// newKeys are nil where there is no backup.
func (s setting) newKeys(t testing.TB) *seal.Keys {
	t.Helper()
	if !s.backup {
		return nil
	}
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// shut closes a Manager before its line to the server ends.
func shut(t testing.TB, m *session.Manager) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
}

// watched is a store that counts what became of the sessions' loads and saves. The
// library's own records do not count.
type watched struct {
	Store
	saves      atomic.Int64 // that were sent
	unsaved    atomic.Int64 // that were not answered
	unanswered atomic.Int64 // loads that were not
	before     atomic.Pointer[func()]
}

// beforeSave calls do once, before the next save is sent.
func (w *watched) beforeSave(do func()) { w.before.Store(&do) }

// reset begins to count anew.
func (w *watched) reset() {
	w.saves.Store(0)
	w.unsaved.Store(0)
	w.unanswered.Store(0)
}

func (w *watched) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := w.Store.Load(ctx, id)
	if err != nil && !errors.Is(err, session.ErrNotFound) && !recordid.Reserved(string(id)) {
		w.unanswered.Add(1)
	}
	return r, err
}

func (w *watched) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if recordid.Reserved(string(id)) {
		return w.Store.Save(ctx, id, r, over)
	}
	if do := w.before.Swap(nil); do != nil {
		(*do)()
	}
	w.saves.Add(1)
	v, err := w.Store.Save(ctx, id, r, over)
	if err != nil && !errors.Is(err, session.ErrConflict) {
		w.unsaved.Add(1)
	}
	return v, err
}

// rowsAtOnce is how many rows of a test run at the same time. They wait most of it.
const rowsAtOnce = 12

// until waits for something.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	most := timeleft.Within(t, patience)
	for began := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > most {
			t.Fatalf("not within %v: %s", most, what)
		}
	}
}

// atOnce runs the rows of a test as subtests, many at the same time. t.Parallel would
// run as many as there are processors. It runs fewer rows, the first in any case, where
// they take more than half of the time until the deadline of t.
func atOnce[R any](t *testing.T, rows []R, name func(R) string, run func(*testing.T, R)) {
	t.Helper()
	var wg sync.WaitGroup
	free := make(chan struct{}, rowsAtOnce)
	for i := range timeleft.Each(t, "rows", len(rows)) {
		row := rows[i]
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			t.Run(name(row), func(t *testing.T) { run(t, row) })
		})
	}
	wg.Wait()
}
