package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// patience bounds what a test waits for; it decides nothing in one that passes.
const patience = 20 * time.Second

func newClient(t testing.TB, url string, change ...func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	o, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&o)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func newStore(t testing.TB, s *redistest.Server, o ...redisstore.Option) *redisstore.Store {
	t.Helper()
	option, err := redisstore.ClientOption(s.URL(), o...)
	if err != nil {
		t.Fatal(err)
	}
	return redisstore.New(newClient(t, s.URL(), func(c *rueidis.ClientOption) { *c = option }), o...)
}

// withCache is for a client whose stores may have a ClientCache.
func withCache(c *rueidis.ClientOption) { c.DisableCache = false }

// record lives for an hour.
func record(data string) session.Record {
	return session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
}

func mustSave(t testing.TB, s session.Store, id session.ID, r session.Record, over session.Version) session.Version {
	t.Helper()
	v, err := s.Save(t.Context(), id, r, over)
	if err != nil {
		t.Fatalf("Save(%s): %v", id, err)
	}
	return v
}

func mustLoad(t testing.TB, s session.Store, id session.ID) session.Record {
	t.Helper()
	r, err := s.Load(t.Context(), id)
	if err != nil {
		t.Fatalf("Load(%s): %v", id, err)
	}
	return r
}

// eventually polls until ok says so.
func eventually(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	start, most := time.Now(), timeleft.Within(t, patience)
	for !ok() {
		if time.Since(start) > most {
			t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
