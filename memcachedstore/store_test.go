package memcachedstore_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/storetest"
)

var (
	record   = records.New
	mustSave = records.MustSave
	poll     = timeleft.Poll
)

var _ session.Pinner = (*memcachedstore.Store)(nil)

func newClient(t testing.TB, servers ...*memcachedtest.Server) *memcached.Client {
	t.Helper()
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	client, err := memcached.New(memcached.Servers(addrs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func newStore(t testing.TB, servers ...*memcachedtest.Server) *memcachedstore.Store {
	t.Helper()
	return memcachedstore.New(newClient(t, servers...))
}

// Of servers that were flushed, the visitors' copies and their refreshes bring everything
// back.
func TestListsOfUsersSurviveAFlush(t *testing.T) {
	servers := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t), memcachedtest.Start(t)}
	acceptance.ListsSurvive(t, newStore(t, servers...), func() {
		for _, s := range servers {
			s.Flush()
		}
	})
}

// A list that memcached has evicted is complete again after one refresh interval.
func TestAnEvictedListIsCompleteAfterOneRefreshInterval(t *testing.T) {
	servers := threeServers(t)
	acceptance.ListsAreComplete(t, newStore(t, servers...), func(id session.ID) {
		for _, s := range servers {
			s.Command("delete session:" + string(id) + "\r\n")
		}
	})
}

func TestManyLoginsLeaveAListThatIsSmall(t *testing.T) {
	acceptance.ListsStaySmall(t, newStore(t, memcachedtest.Start(t), memcachedtest.Start(t), memcachedtest.Start(t)))
}

func TestItKeepsTheContract(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
			servers := make([]*memcachedtest.Server, nodes)
			for i := range servers {
				servers[i] = memcachedtest.Start(t)
			}
			each := func(f func(*memcachedtest.Server)) func(testing.TB) {
				return func(testing.TB) {
					for _, s := range servers {
						f(s)
					}
				}
			}
			n, asked := 0, 0
			total := regexp.MustCompile(`STAT total_connections ([0-9]+)`)
			open := func(t testing.TB) session.Store {
				return memcachedstore.New(newClient(t, servers...), memcachedstore.Prefix(fmt.Sprintf("%d:", n)))
			}
			storetest.Run(t, storetest.Harness{
				New: func(t testing.TB) session.Store {
					n++
					for _, s := range servers {
						comeOfAge(t, s)
					}
					return open(t)
				},
				Again:     open,
				Restart:   each((*memcachedtest.Server).Restart),
				Freeze:    each((*memcachedtest.Server).Freeze),
				Thaw:      each((*memcachedtest.Server).Thaw),
				Down:      each((*memcachedtest.Server).Kill),
				Up:        each((*memcachedtest.Server).Restart),
				MaxRecord: 1<<20 - 1024,
				Connections: func(t testing.TB) (all int) {
					asked++ // over a connection of its own each
					for _, s := range servers {
						m := total.FindStringSubmatch(s.CommandUntil("stats\r\n", "END\r\n"))
						if m == nil {
							t.Fatal("stats without total_connections")
						}
						n, err := strconv.Atoi(m[1])
						if err != nil {
							t.Fatal(err)
						}
						all += n - asked
					}
					return all
				},
			})
		})
	}
}

// comeOfAge waits until clients can tell the server's life from any other:
// before, a Version is good on the connection only that it came over.
func comeOfAge(t testing.TB, s *memcachedtest.Server) {
	t.Helper()
	uptime := regexp.MustCompile(`STAT uptime ([0-9]+)`)
	poll(t, "a server's coming of age", func() bool {
		m := uptime.FindStringSubmatch(s.CommandUntil("stats\r\n", "END\r\n"))
		return m != nil && len(m[1]) == 1 && m[1] >= "5" || m != nil && len(m[1]) > 1
	})
}

func TestPromisesOnMemcached(t *testing.T) {
	server := memcachedtest.Start(t)
	n := 0
	acceptance.Run(t, func(t testing.TB) session.Store {
		n++
		return memcachedstore.New(newClient(t, server), memcachedstore.Prefix(fmt.Sprintf("%d:", n)))
	})
}

// memcached counts CAS values from 1 again when it restarts, and would accept
// one of before over a tombstone of after.
func TestALogoutSurvivesARestartBetweenLoadAndSave(t *testing.T) {
	server := memcachedtest.Start(t)
	store := newStore(t, server)
	mustSave(t, store, "s", record("logged in"), session.Absent)
	loaded, err := store.Load(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	server.Restart()
	other := newStore(t, server)
	var tombstone session.Version
	poll(t, "the restarted server", func() bool {
		tombstone, err = other.Save(t.Context(), "s", record("tombstone"), session.Any)
		return err == nil
	})
	// The same CAS number as before the restart: only the incarnation differs.
	if string(tombstone[8:]) > string(loaded.Version[8:]) {
		t.Fatalf("CAS %x of the tombstone is past %x: this test shows nothing", tombstone[8:], loaded.Version[8:])
	}
	for string(tombstone[8:]) < string(loaded.Version[8:]) {
		tombstone = mustSave(t, other, "s", record("tombstone"), session.Any)
	}
	poll(t, "an answer", func() bool {
		_, err = store.Save(t.Context(), "s", record("revived"), loaded.Version)
		return err == nil || errors.Is(err, session.ErrConflict)
	})
	if !errors.Is(err, session.ErrConflict) {
		t.Errorf("a save over the version of before the restart: %v, want ErrConflict", err)
	}
	if r, err := other.Load(t.Context(), "s"); err != nil || string(r.Data) != "tombstone" {
		t.Errorf("now there stands %q, %v", r.Data, err)
	}
}

func TestOneDeadNodeFailsItsOwnSessionsOnly(t *testing.T) {
	servers := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t), memcachedtest.Start(t)}
	store := newStore(t, servers...)
	ids := make([]session.ID, 300)
	shards := map[string]int{}
	for i := range ids {
		ids[i] = session.ID(fmt.Sprintf("%032x", i))
		mustSave(t, store, ids[i], record("data"), session.Absent)
		shards[store.Shard(ids[i])]++
	}
	if len(shards) != 3 {
		t.Fatalf("sessions are on %v", shards)
	}
	servers[1].Kill()
	for _, id := range ids {
		_, err := store.Load(t.Context(), id)
		if away := store.Shard(id) == servers[1].Addr; away == (err == nil) ||
			errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) {
			t.Errorf("session %s on %s: %v", id, store.Shard(id), err)
		}
	}
	servers[1].Restart()
	poll(t, "the node's return", func() bool {
		_, err := store.Probe(t.Context(), servers[1].Addr)
		return err == nil
	})
	for _, id := range ids {
		_, err := store.Load(t.Context(), id)
		if lost := store.Shard(id) == servers[1].Addr; lost != errors.Is(err, session.ErrNotFound) {
			t.Errorf("after the return, session %s on %s: %v", id, store.Shard(id), err)
		}
	}
}

func TestAProbeTellsARestart(t *testing.T) {
	server := memcachedtest.Start(t)
	store := newStore(t, server)
	probe := func() (incarnation string) {
		poll(t, "a probe", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var err error
			incarnation, err = store.Probe(ctx, store.Shard("s"))
			return err == nil
		})
		return incarnation
	}
	first := probe()
	if again := probe(); again != first {
		t.Errorf("incarnation %q, then %q: nothing happened between", first, again)
	}
	server.Restart()
	if again := probe(); again == first {
		t.Errorf("incarnation %q before and after a restart", first)
	}
}

// Two Go libraries lose a session at once that is to live for over 30 days.
func TestASessionOfNinetyDaysIsThere(t *testing.T) {
	store := newStore(t, memcachedtest.Start(t))
	mustSave(t, store, "s", session.Record{Data: []byte("x"), Expires: time.Now().Add(90 * 24 * time.Hour)}, session.Absent)
	if _, err := store.Load(t.Context(), "s"); err != nil {
		t.Error(err)
	}
}

// memcached itself deletes what stood there when a larger item does not fit.
func TestASessionThatGrowsTooLargeIsNotLost(t *testing.T) {
	store := newStore(t, memcachedtest.Start(t))
	v := mustSave(t, store, "s", record("small"), session.Absent)
	if _, err := store.Save(t.Context(), "s", record(string(make([]byte, 2<<20))), v); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("2 MB: %v, want ErrTooLarge", err)
	}
	if r, err := store.Load(t.Context(), "s"); err != nil || string(r.Data) != "small" {
		t.Errorf("now there stands %q, %v", r.Data, err)
	}
	large := memcachedtest.Start(t, "-I", "8m")
	store = newStore(t, large)
	data := string(make([]byte, 4<<20))
	mustSave(t, store, "s", record(data), session.Absent)
	if r, err := store.Load(t.Context(), "s"); err != nil || string(r.Data) != data {
		t.Errorf("a session of 4 MB came back as %d bytes, %v", len(r.Data), err)
	}
}

func TestPrefixAndFlags(t *testing.T) {
	client := newClient(t, memcachedtest.Start(t))
	store := memcachedstore.New(client, memcachedstore.Prefix("shop:"), memcachedstore.Flags(2))
	mustSave(t, store, "s", record("data"), session.Absent)
	item, err := client.Get(t.Context(), "shop:s")
	if err != nil || string(item.Value) != "data" || item.Flags != 2 {
		t.Errorf("under shop:s stands %q with flags %d, %v", item.Value, item.Flags, err)
	}
	if _, err := memcachedstore.New(client).Load(t.Context(), "s"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("under another prefix: %v", err)
	}
}

// memcached -C serves all but compare-and-set: every change of a session fails.
func TestAMemcachedWithoutCASIsAnOutageThatNamesIt(t *testing.T) {
	server := memcachedtest.Start(t, "-C")
	acceptance.RefusedChanges(t, func(t testing.TB) session.Store { return newStore(t, server) }, server.Addr, "-C")
}

func TestNewNamesWhatIsNil(t *testing.T) {
	defer func() {
		if got, want := recover(), "session: memcachedstore: the client is nil"; got != want {
			t.Errorf("it panics with %v, want %q", got, want)
		}
	}()
	memcachedstore.New(nil)
}
