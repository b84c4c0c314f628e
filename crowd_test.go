package session_test

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

var crowdSize = flag.Int("crowd", 2_000, "how many visitors TestTheBusiestHour has; docs/RELIABILITY.md has the figures of 20,000")

// crowd is visitors who are logged in and come back in one and the same second.
type crowd struct {
	*site
	visitors []*sessiontest.Visitor
	carts    []int // of each visitor: the writes that were answered 200
}

// met is what a crowd met.
type met struct {
	failed   atomic.Int64
	under    atomic.Int64 // requests under way
	took     []time.Duration
	journal  int // bytes at their most
	restores int // in a second at their most
	spare    int // goroutines at their most, besides one for each request under way
}

func newCrowd(s *site, n int) *crowd {
	c := &crowd{site: s, visitors: make([]*sessiontest.Visitor, n), carts: make([]int, n)}
	for i := range c.visitors {
		c.visitors[i] = sessiontest.NewVisitor(s.T, s.a, func(x *session.Session) { user.Set(x, name(i)) })
	}
	return c
}

func name(i int) string { return fmt.Sprint("visitor ", i) }

// come is one request of a visitor; every second one writes. It reports whether it
// was answered as if the store were well.
func (c *crowd) come(m *session.Manager, i int) bool {
	var is string
	status := c.serve(m, c.visitors[i], func(x *session.Session) {
		is = user.Or(x, "")
		if i%2 == 0 {
			_ = count.Update(x, increment)
		}
	})
	if status == http.StatusOK && i%2 == 0 {
		c.carts[i]++
	}
	return status == http.StatusOK && is == name(i)
}

// comeBack sends all visitors to the first instance within a second.
func (c *crowd) comeBack() *met {
	var m met
	m.took = make([]time.Duration, len(c.visitors))
	over := make(chan struct{})
	watched := make(chan struct{})
	idle := runtime.NumGoroutine()
	go func() {
		defer close(watched)
		m.watch(c.a, idle, over)
	}()
	var wg sync.WaitGroup
	for i := range c.visitors {
		time.Sleep(time.Second / time.Duration(len(c.visitors)))
		wg.Go(func() {
			m.under.Add(1)
			defer m.under.Add(-1)
			began := time.Now()
			if !c.come(c.a, i) {
				m.failed.Add(1)
			}
			m.took[i] = time.Since(began)
		})
	}
	wg.Wait()
	close(over)
	<-watched
	slices.Sort(m.took)
	return &m
}

// watch notes the most of what is bounded, until over.
func (m *met) watch(a *session.Manager, idle int, over <-chan struct{}) {
	began, last := time.Now(), a.Stats().Restores
	for {
		select {
		case <-over:
			m.restores = max(m.restores, int(a.Stats().Restores-last))
			return
		case <-time.After(5 * time.Millisecond):
		}
		synctest.Wait() // the number of goroutines is inexact while any begin and end
		st := a.Stats()
		m.journal = max(m.journal, st.Journal.Bytes)
		m.spare = max(m.spare, runtime.NumGoroutine()-idle-int(m.under.Load()))
		if time.Since(began) >= time.Second {
			m.restores = max(m.restores, int(st.Restores-last))
			began, last = time.Now(), st.Restores
		}
	}
}

func (m *met) quantile(q float64) time.Duration { return m.took[int(q*float64(len(m.took)-1))] }

// A whole crowd comes back within a second: to a store that is empty, to one that is
// empty and whose emptiness is believed, and to one that is away. Nobody may fail,
// and the bounds of what the process does and holds are kept.
func TestTheBusiestHour(t *testing.T) {
	n := *crowdSize
	if testing.Short() {
		n = min(n, 500)
	}
	empty := func(s *site) { s.store.Replace(memstore.New(nil)) }
	tests := []struct {
		name    string
		journal int
		before  func(s *site)
	}{
		{"to a store that has just lost its memory", 0, empty},
		{"to a store that is empty", 0, func(s *site) {
			empty(s)
			s.after(20 * time.Second)
		}},
		{"to a store that refuses", 0, func(s *site) { s.store.Fail(errRefused) }},
		{"to a store that is silent", 0, func(s *site) { s.store.Hang() }},
		{"to a store that refuses, with a journal that is too small for them", 100 * n, func(s *site) { s.store.Fail(errRefused) }},
	}
	for i := range timeleft.Each(t, "stores", len(tests)) {
		test := tests[i]
		t.Run(test.name, func(t *testing.T) {
			rate := max(1, n/20)
			backup := &session.Backup{Restores: rate, Journal: test.journal}
			testSite(t, session.Options{Backup: backup}, func(s *site) {
				c := newCrowd(s, n)
				s.after(forgotten)
				s.store.Before(func(op string, _ session.ID) error { // the way to the store and back
					time.Sleep(time.Millisecond)
					return nil
				})
				test.before(s)
				m := c.comeBack()
				t.Logf("%d of %d failed; waited p50 %v, p99 %v, at most %v; journal %d KB, %d restores a second, %d goroutines besides the requests'",
					m.failed.Load(), n, m.quantile(0.5), m.quantile(0.99), m.quantile(1), m.journal>>10, m.restores, m.spare)
				if m.failed.Load() > 0 {
					t.Errorf("%d of %d failed", m.failed.Load(), n)
				}
				if most := cmp.Or(test.journal, 64<<20); m.journal > most {
					t.Errorf("the journal took up %d bytes, of %d", m.journal, most)
				}
				if m.restores > 2*rate { // what a full second allows, and what it gains meanwhile
					t.Errorf("%d sessions were put back in a second, want %d and as many again at first", m.restores, rate)
				}
				if m.spare > 200 {
					t.Errorf("%d goroutines besides one for each request", m.spare)
				}
				// A read waits for one ReadTimeout at most, and a write for a save and a
				// look at what became of it besides.
				if most := 50*time.Millisecond + 100*time.Millisecond + 50*time.Millisecond; m.quantile(1) > most {
					t.Errorf("a request waited for %v, want %v at most", m.quantile(1), most)
				}
				s.store.Heal()
				c.wantAll(test.journal == 0)
			})
		})
	}
}

// has reports whether a visitor of an instance is shown what the i-th has written.
func (c *crowd) has(m *session.Manager, v *sessiontest.Visitor, i int) (all bool) {
	c.serve(m, v, func(x *session.Session) { all = count.Or(x, 0) == c.carts[i] && user.Or(x, "") == name(i) })
	return all
}

// wantAll wants what each visitor wrote: in the store alone where the journal was large
// enough to deliver it, and else when visitors come back with their cookies.
func (c *crowd) wantAll(delivered bool) {
	c.Helper()
	c.after(time.Minute)
	missing, lost := 0, 0
	for i, v := range c.visitors {
		// A session that nobody has changed is restored when its visitor comes.
		if delivered && c.carts[i] > 0 && !c.has(c.b, tokenOnly(c.T, c.b, v), i) {
			missing++
		}
	}
	for i, v := range c.visitors {
		if !c.has(c.b, v, i) {
			lost++
		}
	}
	if missing > 0 || lost > 0 {
		c.Errorf("%d writes are not in the store, and %d visitors are not shown theirs", missing, lost)
	}
}

// tokenOnly returns a visitor with the token of v, and without a copy.
func tokenOnly(t *testing.T, m *session.Manager, v *sessiontest.Visitor) *sessiontest.Visitor {
	alone := sessiontest.NewVisitor(t, m)
	for _, token := range v.Request(http.MethodGet, "/", nil).CookiesNamed("__Host-session") {
		alone.Keep(&http.Response{Header: http.Header{"Set-Cookie": {token.Name + "=" + token.Value}}})
	}
	return alone
}
