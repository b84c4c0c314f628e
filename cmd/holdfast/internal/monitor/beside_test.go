//go:build unix

package monitor_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/internal/test/relay"
)

// trouble is something that breakers and monitors may notice.
type trouble struct {
	is         string
	begin, end func(*fleet)
	orders     bool // the monitors give an order
	long       bool // in the long form only
}

var troubles = []trouble{
	{"the store is killed", func(f *fleet) { f.memcached.Kill() }, func(f *fleet) { f.memcached.Restart() }, true, true},
	{"the store is frozen", func(f *fleet) { f.memcached.Freeze() }, func(f *fleet) { f.memcached.Thaw() }, true, true},
	{"it answers after 400 ms", everywhere(func(l *relay.Line) { l.Delay(400 * time.Millisecond) }), everywhere(func(l *relay.Line) { l.Delay(0) }), true, true},
	{"its answers are errors", func(f *fleet) { f.wrong.Store(true) }, func(f *fleet) {
		f.wrong.Store(false)
		everywhere((*relay.Line).Cut)(f) // the answers were fewer than the requests
		everywhere((*relay.Line).Mend)(f)
	}, true, true},
	{"one of three instances is cut off", func(f *fleet) { f.lines[0].Cut() }, func(f *fleet) { f.lines[0].Mend() }, false, true},
	{"one of three monitors is cut off", func(f *fleet) { f.monitorLines[0].Cut() }, func(f *fleet) { f.monitorLines[0].Mend() }, false, false},
	{"two of three monitors are cut off", func(f *fleet) {
		f.monitorLines[0].Cut()
		f.monitorLines[1].Hold(relay.Down)
	}, func(f *fleet) {
		f.monitorLines[0].Mend()
		f.monitorLines[1].Release()
	}, false, false},
}

func everywhere(do func(*relay.Line)) func(*fleet) {
	return func(f *fleet) {
		for i := range 3 {
			do(f.lines[i])
			do(f.monitorLines[i])
		}
	}
}

// Beside the breakers, which notice what the monitors notice, and sooner: the long form
// prints the table of docs/OPERATIONS.md.
func TestMonitorsNoticeWhatTheFleetNotices(t *testing.T) {
	f, _ := etcdFleet(t)
	f.rules.Memory = 0 // so that each trouble is judged alone
	for n := range 3 {
		f.monitor(n + 1)
	}
	home := f.let(6)
	f.until("a vote for up of every monitor", func() bool { return f.votes(verdict.Up) == 3 })
	var table strings.Builder
	for _, trouble := range troubles {
		if trouble.long && !*full {
			continue
		}
		f.calm()
		w := f.watch()
		trouble.begin(f)
		if trouble.orders {
			f.becomes(trouble.is, session.BackupOnly)
		} else {
			time.Sleep(f.rules.DownAfter + 6*time.Second) // in which an order would come
		}
		breakers, order := w.stop()
		if trouble.orders != (order > 0) {
			t.Errorf("%s: an order after %v", trouble.is, order)
		}
		fmt.Fprintf(&table, "| %s | %d of 3, after %v | %v |\n", trouble.is, len(breakers), breakers, order)
		trouble.end(f)
	}
	f.calm()
	home()
	t.Logf("\n%s%d requests", &table, f.requests.Load())
}

// calm waits until all instances are served by the store and nothing is ordered.
func (f *fleet) calm() {
	f.t.Helper()
	defer func() {
		if f.t.Failed() {
			for i, m := range f.managers {
				f.t.Logf("instance %d: %+v by %v", i, m.Stats(), f.followers[i].Stats())
			}
		}
	}()
	f.until("all is well", func() bool {
		for i, m := range f.managers {
			if serving(m) != 1 || f.followers[i].Override().Mode != session.Auto {
				return false
			}
		}
		return true
	})
}

func serving(m *session.Manager) int {
	n := 0
	for _, shard := range m.Stats().Shards {
		if shard.State == session.Serving {
			n++
		}
	}
	return n
}

// votes counts the monitors that vote so.
func (f *fleet) votes(v verdict.Vote) int {
	n := 0
	for i := range 3 {
		var b verdict.Ballot
		e := f.get(fmt.Sprintf("%s.votes/m%d", orderName, i+1))
		if json.Unmarshal(e.Value, &b) == nil && b.Votes[f.memcached.Addr] == v {
			n++
		}
	}
	return n
}

// stopwatch times who notices.
type stopwatch struct {
	stop func() (breakers []time.Duration, order time.Duration)
}

// watch looks at the instances until it is stopped: when the breaker of each stopped to
// ask the store, and when all went by an order.
func (f *fleet) watch() stopwatch {
	began, end := time.Now(), make(chan struct{})
	breakers, order := map[int]time.Duration{}, time.Duration(0)
	var wg sync.WaitGroup
	look := func() {
		ordered := 0
		for i, m := range f.managers {
			byOrder := f.followers[i].Override().Mode == session.BackupOnly
			if byOrder {
				ordered++
			} else if _, noticed := breakers[i]; !noticed && serving(m) == 0 {
				breakers[i] = time.Since(began).Round(10 * time.Millisecond)
			}
		}
		if ordered == 3 && order == 0 {
			order = time.Since(began).Round(10 * time.Millisecond)
		}
	}
	wg.Go(func() {
		for {
			look()
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return stopwatch{func() ([]time.Duration, time.Duration) {
		close(end)
		wg.Wait()
		look()
		var all []time.Duration
		for _, d := range breakers {
			all = append(all, d)
		}
		return all, order
	}}
}
