package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

const patience = timeleft.Patience

var (
	record     = records.New
	mustSave   = records.MustSave
	mustLoad   = records.MustLoad
	eventually = timeleft.Poll
)

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

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// withItsDefaults is for the client of an application that did not ask
// ClientOption: it retries.
func withItsDefaults(c *rueidis.ClientOption) {
	*c = rueidis.ClientOption{InitAddress: c.InitAddress}
}

// newStoreWithX returns a store on such a client or another one, and the version
// of its session x, which was saved twice.
func newStoreWithX(t testing.TB, client rueidis.Client) (*redisstore.Store, session.Version) {
	t.Helper()
	s := redisstore.New(client)
	v := mustSave(t, s, "x", record("a"), session.Any)
	return s, mustSave(t, s, "x", record("a"), v)
}

func newClientOf(t testing.TB, o rueidis.ClientOption) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
