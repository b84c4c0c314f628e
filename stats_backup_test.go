package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

// evicting is a store that says how many records it has evicted.
type evicting struct {
	*memstore.Store
	evicted atomic.Uint64
}

func (*evicting) Shard(session.ID) string { return "memory" }

func (*evicting) Probe(context.Context, string) (string, error) { return "the first", nil }

func (e *evicting) Evictions(context.Context, string) (uint64, error) { return e.evicted.Load(), nil }

// ago reports whether a time is so long ago, or up to two seconds longer.
func ago(at time.Time, d time.Duration) bool {
	late := time.Since(at) - d
	return late >= 0 && late <= 2*time.Second
}

func TestStatsOfAShardThatEvicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &evicting{Store: memstore.New(nil)}
		store.evicted.Store(100)
		var told atomic.Uint64
		m := mustNew(t, store, &session.Options{
			Backup: &session.Backup{Keys: mustKeys(t, seal.NewKey()), Audience: "shop-test"},
			Hooks: session.Hooks{Evicted: func(_ context.Context, shard string, records uint64) {
				if shard == "memory" {
					told.Add(records)
				}
			}},
		})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		store.evicted.Store(105)
		time.Sleep(time.Minute)
		synctest.Wait()
		st := m.Stats()
		if n := len(st.Shards); n != 1 {
			t.Fatalf("got %d shards, want 1", n)
		}
		shard := st.Shards[0]
		if shard.Evictions != 5 || told.Load() != 5 {
			t.Errorf("got %d evictions, and the hook was told of %d, want 5", shard.Evictions, told.Load())
		}
		if !ago(shard.Heard, 0) || !ago(shard.Told, 0) {
			t.Errorf("heard %v and told %v ago, want about a second at most", time.Since(shard.Heard), time.Since(shard.Told))
		}
		data, err := json.Marshal(shard)
		var back session.ShardStats
		if err == nil {
			err = json.Unmarshal(data, &back)
		}
		if again, _ := json.Marshal(back); err != nil || !reflect.DeepEqual(data, again) {
			t.Errorf("through JSON: got %s, %v, want %s", again, err, data)
		}
	})
}

func TestStatsTellTheAgeOfTheOldestDebt(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.logIn(s.a, v, "red")
		s.after(forgotten)
		if got := s.a.Stats().Journal.Oldest; !got.IsZero() {
			t.Errorf("nothing waits: got %v, want zero", got)
		}
		s.store.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "bread") })
		s.after(20 * time.Second)
		if got := s.a.Stats().Journal.Oldest; !ago(got, 20*time.Second) {
			t.Errorf("a write of 20 s ago waits: got %v ago", time.Since(got))
		}
		s.store.Heal()
		s.after(20 * time.Second)
		if got := s.a.Stats().Journal.Oldest; !got.IsZero() {
			t.Errorf("all was delivered: got %v, want zero", got)
		}
	})
}

func TestLogHooksTellOfEvictionsAndOfWhatIsForgottenEarly(t *testing.T) {
	var log bytes.Buffer
	hooks := session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))
	hooks.Evicted(t.Context(), "memory", 7)
	hooks.Early(t.Context(), 8)
	hooks.Early(t.Context(), 9) // within the minute
	for _, want := range []string{"shard=memory records=7", "tombstones=8"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("got %d lines, want 2:\n%s", n, &log)
	}
}
