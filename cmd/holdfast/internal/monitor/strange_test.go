package monitor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/monitor"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
)

// alone runs the only monitor of a store that is down, for a while of virtual time.
func alone(c coordinator.Coordinator, every, d time.Duration) (log string) {
	var said bytes.Buffer
	m, err := monitor.New(monitor.Options{
		Name: "one", Observers: 1, Rules: verdict.Defaults, Every: every, Coordinator: c, Order: orderName,
		Shards: []string{"a"}, Probe: func(context.Context, string) error { return errors.New("down") },
		Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	m.Run(ctx)
	return said.String()
}

func TestAMonitorThatProbesSeldomVotesOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coordinator.OnStore(memstore.New(nil), func() {})
		said := alone(c, 5*time.Second, 30*time.Second)
		if e, err := c.Get(t.Context(), orderName); err != nil || e.Revision == 0 {
			t.Errorf("got no order after 30 s with a probe every 5 s, %v\n%s", err, said)
		}
	})
}

// The reports of an instance whose store has another address do not count, and the monitor
// says so once.
func TestAMonitorTellsOfInstancesThatNameOtherShards(t *testing.T) {
	for _, test := range []struct {
		shards string
		told   int
	}{
		{`[{"Name":"b","State":"serving"}]`, 1},
		{`[{"Name":"a","State":"serving"},{"Name":"b","State":"serving"}]`, 0},
		{`[{"Name":"a","State":"away","Cause":"by order of the operator"}]`, 0},
		{`[]`, 0}, // it has not asked its store yet
	} {
		var said printed.Text
		asked := make(chan bool, 100)
		instance := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"Shards":%s}`, test.shards)
			select {
			case asked <- true:
			default: // they are enough
			}
		}))
		m, err := monitor.New(monitor.Options{
			Name: "one", Observers: 1, Rules: verdict.Defaults, Every: 200 * time.Millisecond,
			Coordinator: coordinator.OnStore(memstore.New(nil), func() {}), Order: orderName,
			Shards: []string{"a"}, Probe: func(context.Context, string) error { return nil },
			Instances: []string{instance.URL}, Log: slog.New(slog.NewTextHandler(&said, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { m.Run(ctx) })
		for range 4 {
			<-asked
		}
		told := func() int { return strings.Count(said.String(), "names other shards") }
		timeleft.Poll(t, "it is told", func() bool { return told() >= test.told }) // of an answer that came in time
		cancel()
		run.Wait()
		instance.Close()
		if got := told(); got != test.told {
			t.Errorf("%s: told %d times, want %d\n%s", test.shards, got, test.told, said.String())
		}
	}
}

func TestBallotsOfMonitorsThatAreGoneAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coordinator.OnStore(memstore.New(nil), func() {})
		if done, err := c.Set(t.Context(), orderName+".votes/pod-1", []byte(`{"seq":1,"votes":{"a":"up"}}`), 0); !done || err != nil {
			t.Fatal(done, err)
		}
		alone(c, time.Second, 11*time.Minute)
		all, err := c.List(t.Context(), orderName+".votes")
		if _, stands := all["pod-1"]; stands || err != nil || len(all) != 1 {
			t.Errorf("got the ballots %v, %v, want that of the living monitor", all, err)
		}
	})
}

// slow is a coordinator that answers each call late.
type slow struct {
	coordinator.Coordinator
	by time.Duration
}

func (s slow) List(ctx context.Context, folder string) (map[string]coordinator.Entry, error) {
	time.Sleep(s.by)
	return s.Coordinator.List(ctx, folder)
}

func TestAMonitorTellsThatItsCoordinatorIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := slow{coordinator.OnStore(memstore.New(nil), func() {}), 1700 * time.Millisecond}
		if said := alone(c, time.Second, time.Minute); strings.Count(said, "too slow") != 1 {
			t.Errorf("got the log\n%s\nwant that the coordinator is too slow, once", said)
		}
	})
}
