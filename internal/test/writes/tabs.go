package writes

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

var outageFor = flag.Duration("outage", 3*time.Second, "how long the outages last in which tabs are open")

// Outage is what happens to the server while tabs are open. The server keeps its data.
type Outage struct {
	Begin, End func()
}

// Faulty starts a server, and says what will happen to it.
type Faulty = func(*testing.T) (Place, Outage)

// Frozen is Faulty for a server that is frozen and thaws.
func Frozen(start func(testing.TB) Server) Faulty {
	return func(t *testing.T) (Place, Outage) {
		s := start(t)
		return s.Place, Outage{Begin: s.Freeze, End: s.Thaw}
	}
}

// Tabs runs each test of tabs on each of some servers, beside other tests that are
// parallel. The outages last as long as the flag -outage says.
func Tabs(t *testing.T, servers map[string]Faulty) {
	notShort(t)
	t.Parallel()
	type row struct {
		name   string
		visit  func(*testing.T, Place, Outage)
		server Faulty
	}
	var rows []row
	for name, server := range servers {
		rows = append(rows,
			row{"two tabs and one instance, " + name, twoTabs, server},
			row{"another instance with each request, " + name, changingInstances, server})
	}
	atOnce(t, rows, func(r row) string { return r.name }, func(t *testing.T, r row) {
		p, o := r.server(t)
		r.visit(t, p, o)
	})
}

// twoTabs fails t if a write is lost, or a tab is shown less than it was, where two
// tabs of a browser write to one instance before, in and after an outage. Copies are
// displaced by answers that come late, and some writes are saved after the header: the
// tabs stay open until both have happened.
func twoTabs(t *testing.T, p Place, o Outage) {
	both := func(b *browser) bool { return b.displaced > 0 && b.late > 0 }
	visit(t, p, 1, o, 2, both, func(_ int, servers []string) request {
		r := request{to: servers[0]}
		switch dice := rand.IntN(10); {
		case dice < 4:
			r.write = true
		case dice < 6:
			r.after = true
		}
		if rand.IntN(3) == 0 && !r.after {
			r.transit = 1 + rand.IntN(3)
		}
		return r
	})
}

// changingInstances fails t if a write is lost, or less is shown than before, where each
// request of a tab goes to another instance before, in and after an outage. The tab
// writes before the header.
func changingInstances(t *testing.T, p Place, o Outage) {
	visit(t, p, 3, o, 1, func(*browser) bool { return true }, func(_ int, servers []string) request {
		return request{to: servers[rand.IntN(len(servers))], write: rand.IntN(10) < 6}
	})
}

// visit opens a browser with some tabs, which ask for what next returns, until after
// an outage in which they were served, and until there is enough.
func visit(t *testing.T, p Place, instances int, o Outage, tabs int, enough func(*browser) bool, next func(tab int, servers []string) request) {
	t.Helper()
	s := setting{instances: instances, backup: true, plain: true, read: 200 * time.Millisecond, save: 400 * time.Millisecond}
	all := p.open(t, s, s.newKeys(t))
	var servers []string
	for _, i := range all {
		srv := httptest.NewServer(application(i.Manager))
		t.Cleanup(srv.Close)
		servers = append(servers, srv.URL)
	}
	b := newBrowser(t)
	b.begin(servers)

	over := make(chan struct{})
	var wg sync.WaitGroup
	leave := sync.OnceFunc(func() {
		close(over)
		wg.Wait()
	})
	defer leave()
	for tab := range tabs {
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Duration(rand.IntN(10)) * time.Millisecond):
					b.ask(next(tab, servers))
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	sees := func(what func(*browser) bool) func() bool {
		return func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return what(b)
		}
	}
	o.Begin()
	time.Sleep(*outageFor)
	until(t, "an answer without the server", sees(func(b *browser) bool { return b.degraded > 0 }))
	o.End()
	ended := time.Now()
	until(t, "the end of an outage", func() bool {
		for _, i := range all {
			if st := i.Stats(); st.Failing || st.Journal.States > 0 {
				return false
			}
		}
		return true
	})
	back := time.Since(ended)
	time.Sleep(500 * time.Millisecond)
	until(t, "a copy that is displaced, and a write after the header", sees(enough))
	leave()
	for _, i := range all {
		i.settle(t)
	}
	b.check(p, s)
	t.Logf("%d requests, %d of them without the server; %d writes of which %d after the header, and %d more refused there; "+
		"%d cookies displaced; all instances asked the server again %v after the outage",
		b.sent, b.degraded, b.writes-b.refused, b.late, b.refused, b.displaced, back.Round(10*time.Millisecond))
}

// begin makes the browser's session, on a server that may not be connected yet, and
// visits the others.
func (b *browser) begin(servers []string) {
	for _, server := range servers {
		until(b.T, "a session", func() bool {
			answer, err := b.client.Get(server + "/begin/0")
			if err != nil {
				return false
			}
			_ = answer.Body.Close()
			begun := answer.StatusCode == http.StatusOK
			if !begun || server != servers[0] {
				return begun
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.keepLocked(answer, 0)
			return true
		})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = 1
	b.known.set(0)
}

// check compares the store with what the browser was told.
func (b *browser) check(p Place, s setting) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	in := p.beside(b.T, s, nil).Load(b.Context(), map[string][]string{"Cookie": {b.headerLocked()}})
	got, err := marks.Get(in)
	if err != nil {
		b.Errorf("the store has no marks: %v", err)
		return
	}
	if lost := got.lacks(b.known); lost != nil {
		b.Errorf("the store lacks %d writes that were acknowledged: %v", len(lost), lost)
	}
	if err := got.repeated(); err != nil {
		b.Error(err)
	}
}
