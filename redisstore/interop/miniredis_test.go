package interop

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/storetest"
	"github.com/redis/rueidis"
)

// mini is a miniredis. Its time is the test's, in steps and a tenth slower: what is saved
// between two steps would expire early otherwise, and may expire late. A step that comes too
// late, because the machine is busy, is no longer than others.
func mini(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case now := <-tick.C:
				if passed := min(now.Sub(last), 20*time.Millisecond); passed > 0 {
					m.FastForward(passed * 9 / 10)
				}
				last = now
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		m.Close()
	})
	return m
}

// open returns a store on it, through a client with the defaults.
func open(t testing.TB, m *miniredis.Miniredis, o ...redisstore.Option) *redisstore.Store {
	t.Helper()
	options, err := redisstore.ClientOption("redis://" + m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return redisstore.New(client, o...)
}

func TestMiniredisKeepsTheContract(t *testing.T) {
	var m *miniredis.Miniredis
	again := func(t testing.TB) session.Store { return open(t, m) }
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) session.Store {
			m = mini(t)
			return again(t)
		},
		Again: again,
		Down:  func(testing.TB) { m.Close() },
		Up: func(t testing.TB) {
			if err := m.Restart(); err != nil {
				t.Fatal(err)
			}
		},
	})
}

// What the table in docs/STORES.md says of it.
func TestWhatMiniredisLacks(t *testing.T) {
	m := mini(t)
	var said printed.Text
	s := open(t, m, redisstore.Log(slog.New(slog.NewTextHandler(&said, nil))))
	shard := s.Shard("x")
	before, err := s.Probe(t.Context(), shard)
	if err != nil || before == "" {
		t.Fatalf("got incarnation %q, %v", before, err)
	}
	if again, err := s.Probe(t.Context(), shard); err != nil || again != before {
		t.Errorf("got incarnation %q, %v, want that of before", again, err)
	}
	if got := strings.Join(said.Lines(), "\n"); strings.Count(got, "tells no run_id by INFO") != 1 {
		t.Errorf("got the log %q, want one line about INFO", got)
	}
	m.FlushAll()
	if after, err := s.Probe(t.Context(), shard); err != nil || after == before {
		t.Errorf("after the loss of its memory: got incarnation %q, %v, want another one", after, err)
	}
	if _, err := s.Evictions(t.Context(), shard); err == nil || !strings.Contains(err.Error(), "evicted_keys") {
		t.Errorf("evictions: got %v, want an error that names the field", err)
	}
	o, err := redisstore.ClientOption("redis://"+m.Addr(), redisstore.ClientCache(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if client, err := rueidis.NewClient(o); err == nil {
		client.Close()
		t.Error("a client with a cache has connected: the table says that it does not")
	}
}
