//go:build unix

package drill_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/drill"
	"github.com/holdfast-go/session/cmd/holdfast/internal/instancetest"
	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override/etcd"
)

// fleet is two instances over one store, with their order in etcd.
type fleet struct {
	t      *testing.T
	etcd   *etcdtest.Server
	shared coordinator.Coordinator
	urls   []string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, etcd: etcdtest.Start(t)}
	f.shared = instancetest.OpenCoordinator(t, "etcd://"+strings.TrimPrefix(f.etcd.URL(), "http://")+"/order")
	store, keys := memstore.New(nil), instancetest.Keys(t)
	for range 2 {
		source, err := etcd.New([]string{f.etcd.URL()}, "order", nil)
		if err != nil {
			t.Fatal(err)
		}
		f.urls = append(f.urls, instancetest.Start(t, store, keys, source).URL)
	}
	return f
}

// newSplitFleet is a fleet over three memcached servers, which are a shard each.
func newSplitFleet(t *testing.T) (f *fleet, shards []string) {
	t.Helper()
	f = &fleet{t: t, etcd: etcdtest.Start(t)}
	f.shared = instancetest.OpenCoordinator(t, "etcd://"+strings.TrimPrefix(f.etcd.URL(), "http://")+"/order")
	var servers []memcached.Server
	for range 3 {
		addr := memcachedtest.Start(t).Addr
		servers, shards = append(servers, memcached.Server{Addr: addr}), append(shards, addr)
	}
	keys := instancetest.Keys(t)
	for range 2 {
		client, err := memcached.New(servers, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		source, err := etcd.New([]string{f.etcd.URL()}, "order", nil)
		if err != nil {
			t.Fatal(err)
		}
		f.urls = append(f.urls, instancetest.Start(t, memcachedstore.New(client), keys, source, func(o *session.Options) {
			o.ReadTimeout, o.SaveTimeout = 5*time.Second, 5*time.Second // a busy machine is no outage
		}).URL)
	}
	return f, shards
}

// A drill of one shard leaves the other two to the store.
func TestADrillOfOneShard(t *testing.T) {
	f, shards := newSplitFleet(t)
	o := f.options("/count")
	o.Shard = "10.9.9.9:11211"
	if r, err := drill.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), shards[0]) {
		t.Errorf("a shard that is not there: got %+v, %v, want an error that names those that are", r, err)
	}
	f.gone()
	o.Shard = shards[1]
	r := f.run(o)
	t.Logf("\n%v", r)
	if !r.Passed || r.Failed != 0 || r.Lost != 0 || r.Shard != shards[1] {
		t.Errorf("got %+v, want a drill that passed", r)
	}
	if r.Degraded == 0 || int(r.Degraded) >= r.Visits || r.Delivered == 0 {
		t.Errorf("got %+v, want some visits from backups, others from the store, and something delivered", r)
	}
	f.gone()
}

// options are those of a short drill that visits a page.
func (f *fleet) options(page string) drill.Options {
	o := drill.Options{
		Coordinator: f.shared, Order: "order", For: 3 * time.Second, MostOwed: 1 << 20, Patience: time.Minute,
		Log: slog.New(slog.NewTextHandler(f.t.Output(), nil)),
	}
	for _, url := range f.urls {
		o.Instances = append(o.Instances, url+"/stats")
		o.Pages = append(o.Pages, url+page)
	}
	return o
}

// run runs a drill, and a longer one as long as it is too short for a busy machine: an
// instance did not follow, or nobody was served from a backup.
func (f *fleet) run(o drill.Options) drill.Report {
	f.t.Helper()
	for {
		r, err := drill.Run(f.t.Context(), o)
		if err != nil {
			f.t.Fatal(err)
		}
		if r.Followed > 0 && r.Degraded > 0 || r.Failed > 0 || o.For > time.Minute {
			return r
		}
		f.t.Logf("a drill of %v was too short:\n%v", o.For, r)
		f.gone()
		o.For *= 2
	}
}

// gone asks that no order stands any more.
func (f *fleet) gone() {
	f.t.Helper()
	if text, stands := f.etcd.Get("order"); stands {
		f.t.Errorf("the order %s still stands", text)
	}
}

func TestADrillThatVisitorsDoNotNotice(t *testing.T) {
	f := newFleet(t)
	r := f.run(f.options("/count"))
	t.Logf("\n%v", r)
	if !r.Passed || r.Failed != 0 || r.Lost != 0 || r.Visits == 0 {
		t.Errorf("got %+v, want a drill that passed", r)
	}
	if r.Instances != 2 || r.Followed == 0 || r.Outage < 3*time.Second || r.Recovered == 0 {
		t.Errorf("got %+v, want two instances that followed and recovered", r)
	}
	if r.Degraded == 0 || r.MostOwed == 0 || r.Delivered == 0 {
		t.Errorf("got %+v, want sessions that were served from backups, owed and delivered", r)
	}
	f.gone()
}

func TestADrillStopsByItselfWhenVisitsFail(t *testing.T) {
	f := newFleet(t)
	o := f.options("/safe")
	o.For = 10 * time.Minute
	r, err := drill.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%v", r)
	if r.Passed || r.Failed == 0 || !strings.Contains(r.Stopped, "503") || r.Recovered == 0 {
		t.Errorf("got %+v, want a drill that stopped because of a 503, and recovered", r)
	}
	f.gone()
}

func TestADrillStopsByItselfWhenTooMuchIsOwed(t *testing.T) {
	f := newFleet(t)
	o := f.options("/count")
	o.For, o.MostOwed = 10*time.Minute, 1
	r, err := drill.Run(t.Context(), o)
	if err != nil || r.Passed || !strings.Contains(r.Stopped, "the limit is 1") {
		t.Errorf("got %+v, %v, want a drill that stopped because of what is owed", r, err)
	}
	f.gone()
}

func TestADrillThatIsInterruptedTakesItsOrderBack(t *testing.T) {
	f := newFleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := f.options("/count")
	o.For = 10 * time.Minute
	o.Log = slog.New(slog.NewTextHandler(interrupter(cancel), nil)) // it logs that the order is given
	r, err := drill.Run(ctx, o)
	if err != nil || r.Passed || !strings.Contains(r.Stopped, "interrupted") {
		t.Errorf("got %+v, %v, want an interrupted drill", r, err)
	}
	f.gone()
}

// interrupter is a log that interrupts at its first line.
type interrupter func()

func (i interrupter) Write(p []byte) (int, error) {
	i()
	return len(p), nil
}

// An order that was not answered may stand all the same.
func TestADrillThatIsInterruptedAsItBeginsTakesItsOrderBack(t *testing.T) {
	f := newFleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := f.options("/count")
	o.Coordinator = hasty{f.shared, cancel}
	if r, err := drill.Run(ctx, o); err == nil {
		t.Errorf("got %+v, want an error", r)
	}
	f.gone()
}

// hasty is a coordinator whose Set happens and is not answered.
type hasty struct {
	coordinator.Coordinator
	cancel func()
}

func (h hasty) Set(ctx context.Context, name string, value []byte, over int64, guards ...coordinator.Guard) (bool, error) {
	_, err := h.Coordinator.Set(ctx, name, value, over, guards...)
	h.cancel()
	return false, errors.Join(err, context.Canceled)
}

func TestADrillBeginsOnlyWhereAllIsWell(t *testing.T) {
	f := newFleet(t)
	for _, tt := range []struct {
		is, says string
		change   func(*drill.Options)
	}{
		{"a page that fails", "404", func(o *drill.Options) { o.Pages = []string{f.urls[0] + "/nothing"} }},
		{"an instance that is not there", "refused", func(o *drill.Options) { o.Instances = append(o.Instances, "http://127.0.0.1:1/stats") }},
		{"an instance that shows something else", "JSON", func(o *drill.Options) { o.Instances = []string{f.urls[0] + "/count"} }},
		{"an order that stands", "alice", func(*drill.Options) { f.etcd.Put("order", `{"mode":"auto","by":"alice"}`) }},
	} {
		o := f.options("/count")
		tt.change(&o)
		if r, err := drill.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %+v, %v, want an error that says %q", tt.is, r, err, tt.says)
		}
	}
	if text, _ := f.etcd.Get("order"); !strings.Contains(text, "alice") {
		t.Errorf("got the order %q, want alice's", text)
	}
}

func TestADrillAsksForVisitorsWithASession(t *testing.T) {
	f := newFleet(t)
	o := f.options("/shown") // begins none
	if r, err := drill.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--login") {
		t.Errorf("without a session: got %+v, %v, want an error that names --login", r, err)
	}
	f.gone()
	o.Login = "/count?name=drill"
	if r := f.run(o); !r.Passed || r.Degraded == 0 {
		t.Errorf("with a login: got %+v, want a drill that passed, with visits from backups", r)
	}
	f.gone()
}

// An operator ends a drill by an order, and the drill leaves that in place.
func TestADrillStopsByItselfWhenAnotherOrderIsGiven(t *testing.T) {
	f := newFleet(t)
	o := f.options("/count")
	o.For = 10 * time.Minute
	const alices = `{"mode":"auto","by":"alice"}`
	// She gives it once each instance has told twice that it follows: the drill, which asks
	// all of them at a time, knows that both do.
	var mu sync.Mutex
	follow, given := make([]int, len(o.Instances)), false
	for i, url := range o.Instances {
		between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var st session.Stats
			answer, err := http.Get(url)
			if err == nil {
				err = json.NewDecoder(answer.Body).Decode(&st)
				_ = answer.Body.Close()
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if st.Shards[0].Mode == session.BackupOnly {
				follow[i]++
			}
			if !given && slices.Min(follow) >= 2 {
				given = true
				f.etcd.Put("order", alices)
			}
			_ = json.NewEncoder(w).Encode(st)
		}))
		defer between.Close()
		o.Instances[i] = between.URL
	}
	r, err := drill.Run(t.Context(), o)
	if err != nil || r.Passed || !strings.Contains(r.Stopped, "another") {
		t.Errorf("got %+v, %v, want a drill that stopped because of another order", r, err)
	}
	if text, _ := f.etcd.Get("order"); text != alices {
		t.Errorf("got the order %q, want alice's", text)
	}
}

func TestADrillStopsByItselfWhenAnInstanceStartsAnew(t *testing.T) {
	f := newFleet(t)
	var asked atomic.Int64
	anew := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		st := session.Stats{Loads: 1000, Degraded: 7, Shards: []session.ShardStats{{State: session.Serving}}}
		if asked.Add(1) > 3 {
			st.Loads, st.Degraded = 0, 0
		}
		_ = json.NewEncoder(w).Encode(st)
	}))
	defer anew.Close()
	o := f.options("/count")
	o.For = 10 * time.Minute
	o.Instances = append(o.Instances, anew.URL)
	r, err := drill.Run(t.Context(), o)
	if err != nil || r.Passed || !strings.Contains(r.Stopped, "instance 3 has started anew") || r.Degraded > 1000 {
		t.Errorf("got %+v, %v, want a drill that stopped because an instance has started anew", r, err)
	}
	f.gone()
}
