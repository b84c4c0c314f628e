// Package chaos sends visitors to several instances of an application that share a
// real store, breaks the store in every way while they shop, and counts what the
// visitors noticed.
package chaos

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

// Place is the store that the faults happen to.
type Place struct {
	Instances int

	// Open returns the store as one instance sees it, by connections of its own
	// through wire.
	Open func(t testing.TB, wire *Wire) session.Store

	// Faults are what goes wrong, one after the other.
	Faults []Fault

	Visitors int
	For      time.Duration // of each fault

	// ReadTimeout and SaveTimeout are those of the instances.
	ReadTimeout, SaveTimeout time.Duration

	// Patience is how long after a fault something may not be stored yet. Zero is a minute.
	Patience time.Duration

	// Repairs says that the store repairs itself for a while after a fault, and that an instance
	// which did not see the fault may read what it had before.
	Repairs bool
}

// Fault is something that goes wrong for a while.
type Fault struct {
	Name  string
	Begin func(wires []*Wire)
	End   func(wires []*Wire)
}

// Forgets marks a fault after which the store has lost its memory.
const Forgets = ", and comes back empty"

var items = session.NewKey[[]string]("items")

// Outcome is what the visitors noticed.
type Outcome struct {
	Requests, Degraded   int64
	Failed, LoggedOut    int64
	Lost, Revived        int64
	Slowest, UntilStored time.Duration
}

// Run fails t where a visitor noticed anything. It takes half a minute, and runs
// fewer faults, the first in any case, where that is more than half of the time
// until the deadline of t, and the first alone under -short.
func Run(t *testing.T, p Place) Outcome {
	t.Helper()
	if testing.Short() {
		p.Faults = p.Faults[:min(1, len(p.Faults))]
	}
	s := start(t, p)
	for i := range timeleft.Each(t, "faults", len(p.Faults)) {
		f := p.Faults[i]
		f.Begin(s.wires)
		s.fault.Store(int64(i + 1))
		time.Sleep(p.For)
		s.fault.Store(0)
		f.End(s.wires)
		healed := time.Now()
		s.rest(t, f)
		s.checkLeft(t, i+1)
		t.Logf("%s: all stored %v after it ended; so far %+v", f.Name, time.Since(healed).Round(time.Millisecond), s.outcome())
	}
	close(s.done)
	s.wg.Wait()
	s.rest(t, Fault{Name: "the last request"}) // where the store was slow, its write is in a journal
	s.check(t)
	return s.outcome()
}

type run struct {
	Place
	keys     *seal.Keys
	wires    []*Wire
	managers []*session.Manager
	servers  []*httptest.Server
	visitors []*visitor
	done     chan struct{}

	knowsNothing *session.Manager
	wg           sync.WaitGroup

	fault                                                                      atomic.Int64 // the number of the one that goes on, from 1; else 0
	requests, degraded, failed, loggedOut, lost, revived, slowest, untilStored atomic.Int64
	mu                                                                         sync.Mutex
	notes                                                                      []string
}

func start(t *testing.T, p Place) *run {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s := &run{Place: p, keys: keys, done: make(chan struct{})}
	for range p.Instances {
		wire := &Wire{}
		m, err := session.New(p.Open(t, wire), s.options())
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(m.HandlerFunc(s.serve))
		t.Cleanup(func() {
			srv.Close()
			ctx, cancel := context.WithTimeout(context.Background(), timeleft.Patience)
			defer cancel()
			if err := m.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		s.wires = append(s.wires, wire)
		s.managers = append(s.managers, m)
		s.servers = append(s.servers, srv)
	}
	time.Sleep(6 * time.Second) // a new store is not believed at once
	for n := range p.Visitors {
		v := &visitor{run: s, n: n, random: rand.New(rand.NewPCG(1, uint64(n))), jar: jar{}}
		s.visitors = append(s.visitors, v)
		s.wg.Go(v.live)
	}
	return s
}

func (s *run) options() *session.Options {
	return &session.Options{
		Cookie:      session.Cookie{Insecure: true},
		Backup:      &session.Backup{Keys: s.keys, Audience: "chaos"},
		ReadTimeout: s.ReadTimeout, SaveTimeout: s.SaveTimeout,
	}
}

// serve is the application: /add/ITEM, /login, /logout, and all else shows.
func (s *run) serve(w http.ResponseWriter, r *http.Request) {
	x, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	if x.Source() == session.FromBackup {
		s.degraded.Add(1)
	}
	what, item, _ := strings.Cut(r.URL.Path[1:], "/")
	switch what {
	case "add":
		_ = items.Update(x, func(l *[]string) error {
			*l = append(*l, item)
			return nil
		})
	case "login":
		x.Renew()
	case "logout":
		_, _ = x.Destroy(r.Context())
	}
	if x.ID() == "" && what == "show" {
		fmt.Fprint(w, "nobody")
		return
	}
	fmt.Fprint(w, "items ", strings.Join(items.Or(x, nil), ","))
}

// patience is for machines that do much else at the same time. The promise is
// ten seconds; what it took is in the log.
const patience = time.Minute

// rest waits until the store has every acknowledged write, also of visitors who do
// not come back.
func (s *run) rest(t *testing.T, f Fault) {
	t.Helper()
	begun, most := time.Now(), timeleft.Within(t, cmp.Or(s.Patience, patience))
	for _, m := range s.managers {
		for {
			st := m.Stats()
			if st.Journal.States == 0 && st.Journal.Tombstones == 0 {
				break
			}
			if time.Since(begun) > most {
				t.Errorf("%s: %v after it ended an instance says %+v", f.Name, most, st)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	s.untilStored.Store(max(s.untilStored.Load(), int64(time.Since(begun))))
}

// stranger is a new instance, which knows only what the store has.
func (s *run) stranger(t *testing.T) *session.Manager {
	t.Helper()
	if s.knowsNothing == nil {
		m, err := session.New(s.Open(t, &Wire{}), &session.Options{
			Cookie: session.Cookie{Insecure: true}, ReadTimeout: 5 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.knowsNothing = m
	}
	return s.knowsNothing
}

// checkLeft looks for the sessions of those who wrote while a fault went on,
// and left for good.
func (s *run) checkLeft(t *testing.T, fault int) {
	t.Helper()
	n := 0
	for _, v := range s.visitors {
		if v.left.Load() == int64(fault) {
			s.checkStored(t, v)
			n++
		}
	}
	if n == 0 {
		t.Logf("nobody left during fault %d", fault)
	}
}

func (s *run) checkStored(t *testing.T, v *visitor) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.jar[cookie] == "" {
		return
	}
	begun, most := time.Now(), time.Duration(0)
	if s.Repairs {
		most = timeleft.Within(t, cmp.Or(s.Patience, patience))
	}
	got, ok := look(s.stranger(t), v.jar[cookie])
	for (!ok || missing(got, v.have) != "") && time.Since(begun) < most {
		time.Sleep(20 * time.Millisecond)
		got, ok = look(s.stranger(t), v.jar[cookie])
	}
	if took := time.Since(begun); took > time.Second {
		t.Logf("visitor %d: what it left was seen after %v", v.n, took.Round(time.Millisecond))
	}
	if m := missing(got, v.have); !ok || m != "" {
		s.lost.Add(1)
		s.note("visitor %d: the store lacks %q of %d items (%v)", v.n, m, len(v.have), ok)
	}
}

// check looks into the store with the tokens alone.
func (s *run) check(t *testing.T) {
	t.Helper()
	for _, v := range s.visitors {
		if v.left.Load() == 0 {
			s.checkStored(t, v)
		}
		for _, token := range v.ended {
			if _, ok := look(s.stranger(t), token); ok {
				s.revived.Add(1)
				s.note("visitor %d: a session that was ended lives", v.n)
			}
		}
	}
	o := s.outcome()
	if o.Failed+o.LoggedOut+o.Lost+o.Revived > 0 {
		t.Errorf("%+v\n%s", o, strings.Join(s.notes, "\n"))
	}
	if o.Degraded == 0 {
		t.Error("nobody was served from the backup: there was no chaos")
	}
}

func look(m *session.Manager, token string) (got []string, alive bool) {
	x := m.Load(context.Background(), http.Header{"Cookie": {cookie + "=" + token}})
	err := x.Err()
	if err != nil || x.ID() == "" {
		return nil, false
	}
	return items.Or(x, nil), true
}

// missing returns the first of want that got lacks.
func missing(got, want []string) string {
	for _, item := range want {
		if !slices.Contains(got, item) {
			return item
		}
	}
	return ""
}

func (s *run) note(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) < 20 {
		s.notes = append(s.notes, fmt.Sprintf(format, a...))
	}
}

func (s *run) outcome() Outcome {
	return Outcome{
		Requests: s.requests.Load(), Degraded: s.degraded.Load(), Failed: s.failed.Load(), LoggedOut: s.loggedOut.Load(),
		Lost: s.lost.Load(), Revived: s.revived.Load(),
		Slowest: time.Duration(s.slowest.Load()), UntilStored: time.Duration(s.untilStored.Load()),
	}
}
