package session_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
)

// pinning is twoServers for instances whose lists of servers may differ.
type pinning struct{ twoServers }

func (pinning) Shards() []string { return []string{"high", "low"} }

func (p pinning) Pin(shard string) (session.Store, error) {
	switch shard {
	case "high":
		return p.high, nil
	case "low":
		return p.low, nil
	}
	return nil, fmt.Errorf("there is no server %q", shard)
}

// A record goes to the server that it is pinned to, although its ID belongs to the other one.
func ExamplePinner() {
	store := pinning{twoServers{low: memstore.New(nil), high: memstore.New(nil)}}
	var p session.Pinner = store
	low, err := p.Pin("low")
	if err != nil {
		panic(err)
	}
	later := time.Now().Add(time.Hour)
	_, err = low.Save(context.Background(), "c0de", session.Record{Expires: later}, session.Absent)
	fmt.Println(p.Shard("c0de"), store.high.Len(), store.low.Len(), err)

	_, err = p.Pin("middle")
	fmt.Println(p.Shards(), err)
	// Output:
	// high 0 1 <nil>
	// [high low] there is no server "middle"
}

// fullServers is twoServers that report how many records they have evicted.
type fullServers struct {
	twoServers
	evicted map[string]uint64 // as the servers count
}

func (c fullServers) Evictions(_ context.Context, shard string) (uint64, error) {
	n, ok := c.evicted[shard]
	if !ok {
		return 0, fmt.Errorf("server %q reports no evictions", shard)
	}
	return n, nil
}

// A Manager on such a store reports evictions in ShardStats and to Hooks.Evicted.
func ExampleEvictionCounter() {
	var store session.EvictionCounter = fullServers{evicted: map[string]uint64{"low": 12}}
	for _, shard := range []string{"low", "high"} {
		fmt.Println(store.Evictions(context.Background(), shard))
	}
	// Output:
	// 12 <nil>
	// 0 server "high" reports no evictions
}

// A status page that says what a shard's state means for visitors.
func ExampleShardState() {
	sessions, store := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	report := func() {
		shard := sessions.Stats().Shards[0]
		switch shard.State {
		case session.Serving:
			fmt.Println(shard.State, "- visitors are served from the store")
		case session.Away, session.Returning:
			fmt.Println(shard.State, "- visitors are served from copies in their cookies")
		case session.ReadsOnly:
			fmt.Println(shard.State, "- changes wait in the journal")
		}
	}
	logIn(sessions)
	report()
	store.Fail(errors.New("connection refused"))
	for range 5 {
		logIn(sessions)
	}
	report()
	store.Heal()
	// Output:
	// serving - visitors are served from the store
	// away - visitors are served from copies in their cookies
}

// An alert is for failures, and not for an order to leave the store alone.
func ExampleCause() {
	var order override.Value
	sessions, _ := newBackedUp(session.Options{Switch: &order})
	defer closeSoon(sessions)
	order.SetUntil(session.Override{Mode: session.BackupOnly}, time.Now().Add(time.Hour))
	logIn(sessions)

	shard := sessions.Stats().Shards[0]
	fmt.Println(shard.Cause, shard.Cause == session.CauseOverride)
	order.Set(session.Override{})
	// Output: by order of the operator true
}
