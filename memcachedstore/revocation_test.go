package memcachedstore_test

import (
	"slices"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/revocation"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

// revocationPlace is the store on servers.
func revocationPlace(servers ...*memcachedtest.Server) revocation.Place {
	var addresses []string
	for _, s := range servers {
		addresses = append(addresses, s.Addr)
	}
	return revocation.Place{
		Open: func(t testing.TB) revocation.Store {
			client, err := memcached.New(memcached.Servers(addresses...), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			return memcachedstore.New(client)
		},
		Delete: func(t testing.TB, id session.ID) {
			for _, s := range servers {
				s.Command("delete session:" + string(id) + "\r\n")
			}
		},
	}
}

func threeServers(t testing.TB) (all []*memcachedtest.Server) {
	for range 3 {
		all = append(all, memcachedtest.Start(t))
	}
	return all
}

// Every instance refuses the thief after the servers have lost the tombstone.
func TestALogoutOutlivesItsTombstone(t *testing.T) {
	deleted := func(t testing.TB) (revocation.Place, revocation.Steps) {
		p := revocationPlace(threeServers(t)...)
		return p, revocation.Steps{Lose: func(_ []*revocation.Instance, ids revocation.IDs) {
			for _, id := range ids {
				p.Delete(t, id)
			}
		}, Check: revocation.Gone(p.Open)}
	}
	all := func(do func(*memcachedtest.Server)) func(testing.TB) (revocation.Place, revocation.Steps) {
		return func(t testing.TB) (revocation.Place, revocation.Steps) {
			servers := threeServers(t)
			p := revocationPlace(servers...)
			return p, revocation.Steps{Lose: func([]*revocation.Instance, revocation.IDs) {
				for _, s := range servers {
					do(s)
				}
			}}
		}
	}
	evicted := func(t testing.TB) (revocation.Place, revocation.Steps) {
		args := []string{"-m", "4"}
		if !revocation.Full() {
			args = append(args, "-n", "900") // a kilobyte for each record, so that few strangers suffice
		}
		server := memcachedtest.Start(t, args...)
		p := revocationPlace(server)
		return p, revocation.Steps{Lose: func(all []*revocation.Instance, _ revocation.IDs) {
			t.Logf("strangers had %d answers of 200", revocation.Flood(all))
		}, Check: revocation.Gone(p.Open)}
	}
	revocation.Run(t, []revocation.Loss{
		{Name: "deleted by hand", Start: deleted},
		{Name: "deleted by hand, and the instance replaced", Start: deleted, Replace: revocation.After},
		{Name: "flushed", Start: all((*memcachedtest.Server).Flush)},
		{Name: "flushed, with many tombstones", Start: all((*memcachedtest.Server).Flush), Known: true},
		{Name: "flushed, after the instance was replaced", Start: all((*memcachedtest.Server).Flush), Replace: revocation.Before},
		{Name: "killed", Start: all((*memcachedtest.Server).Restart)},
		{Name: "evicted by strangers", Start: evicted},
	})
}

// The first instance has a list of two servers, and those that start later one of three:
// they look for a third of the sessions elsewhere, where some of them stand alive.
func TestALogoutHoldsAtInstancesWithAnotherList(t *testing.T) {
	grows := func(lose func(testing.TB, []*memcachedtest.Server, revocation.IDs)) func(testing.TB) (revocation.Place, revocation.Steps) {
		return func(t testing.TB) (revocation.Place, revocation.Steps) {
			servers := threeServers(t)
			two, three := revocationPlace(servers[:2]...), revocationPlace(servers...)
			open := two.Open
			return revocation.Place{
					Open:   func(t testing.TB) revocation.Store { return open(t) },
					Delete: three.Delete,
				}, revocation.Steps{
					Change: func() { open = three.Open },
					Lose:   func(_ []*revocation.Instance, ids revocation.IDs) { lose(t, servers, ids) },
				}
		}
	}
	each := func(do func(*memcachedtest.Server)) func(testing.TB, []*memcachedtest.Server, revocation.IDs) {
		return func(_ testing.TB, all []*memcachedtest.Server, _ revocation.IDs) {
			for _, s := range all {
				do(s)
			}
		}
	}
	one := func(do func(*memcachedtest.Server)) func(testing.TB, []*memcachedtest.Server, revocation.IDs) {
		return func(_ testing.TB, all []*memcachedtest.Server, _ revocation.IDs) { do(all[0]) }
	}
	revocation.Run(t, []revocation.Loss{
		{Name: "tombstones deleted by hand", Start: grows(deleteTombstones)},
		{Name: "tombstones deleted by hand, and the first instance replaced", Start: grows(deleteTombstones), Replace: revocation.After},
		{Name: "flushed", Start: grows(each((*memcachedtest.Server).Flush))},
		{Name: "flushed, after the first instance was replaced", Start: grows(each((*memcachedtest.Server).Flush)), Replace: revocation.Before},
		{Name: "killed", Start: grows(each((*memcachedtest.Server).Restart))},
		{Name: "one server killed", Start: grows(one((*memcachedtest.Server).Restart))},
	})
}

// deleteTombstones deletes the tombstones, and no session that lives on another server.
func deleteTombstones(t testing.TB, servers []*memcachedtest.Server, ids revocation.IDs) {
	t.Helper()
	var deleted []session.ID
	alive := 0
	for _, s := range servers {
		store := newStore(t, s)
		for _, id := range ids {
			r, err := store.Load(t.Context(), id)
			if err != nil {
				continue
			}
			switch st, err := state.Decode(r.Data); {
			case err != nil:
				t.Error(err)
			case st.Dead():
				s.Command("delete session:" + string(id) + "\r\n")
				deleted = append(deleted, id)
			default:
				alive++
			}
		}
	}
	slices.Sort(deleted)
	if n := len(slices.Compact(deleted)); n < len(ids) {
		t.Errorf("%d of %d sessions had a tombstone to be deleted", n, len(ids))
	}
	t.Logf("%d sessions live on a server on which they did not end", alive)
}

func TestALogoutInItsFirstSecond(t *testing.T) {
	revocation.FirstSecond(t, func(t testing.TB) revocation.Place { return revocationPlace(threeServers(t)...) })
}
