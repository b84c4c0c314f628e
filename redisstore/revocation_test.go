package redisstore_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/revocation"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// primary is the server that clients reach. Another one may take its place.
type primary struct {
	atomic.Pointer[redistest.Server]
}

func startPrimary(t testing.TB) *primary {
	var p primary
	p.Store(redistest.Start(t))
	return &p
}

func (p *primary) place() revocation.Place {
	url := p.Load().URL()
	return revocation.Place{
		Open: func(t testing.TB) revocation.Store {
			return redisstore.New(newClient(t, url, func(o *rueidis.ClientOption) {
				o.DialCtxFn = func(ctx context.Context, _ string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
					return d.DialContext(ctx, "tcp", p.Load().Addr())
				}
			}))
		},
		Delete: func(_ testing.TB, id session.ID) { p.Load().Command("DEL", "session:"+string(id)) },
	}
}

// Every instance refuses the thief after the server has lost the tombstone, or went back
// to where the session lived.
func TestALogoutOutlivesItsTombstone(t *testing.T) {
	deleted := func(t testing.TB) (revocation.Place, revocation.Steps) {
		p := startPrimary(t).place()
		return p, revocation.Steps{Lose: func(_ []*revocation.Instance, ids revocation.IDs) {
			for _, id := range ids {
				p.Delete(t, id)
			}
		}, Check: revocation.Gone(p.Open)}
	}
	flushed := func(t testing.TB) (revocation.Place, revocation.Steps) {
		server := startPrimary(t)
		return server.place(), revocation.Steps{Lose: func([]*revocation.Instance, revocation.IDs) { server.Load().Flush() }}
	}
	older := func(t testing.TB) (revocation.Place, revocation.Steps) {
		server := startPrimary(t)
		return server.place(), revocation.Steps{
			Before: func() { server.Load().Command("SAVE") },
			Lose:   func([]*revocation.Instance, revocation.IDs) { server.Load().Restart() },
		}
	}
	// A replica that does not hear of the logouts takes over.
	promoted := func(t testing.TB) (revocation.Place, revocation.Steps) {
		server := startPrimary(t)
		host, port, _ := net.SplitHostPort(server.Load().Addr())
		replica := redistest.Start(t, "--replicaof", host+" "+port)
		return server.place(), revocation.Steps{
			Before: func() {
				server.Load().Command("SET", "last", "login")
				eventually(t, "a replica that has the logins", func() bool { return replica.Command("GET", "last") == "login" })
				replica.Command("REPLICAOF", "127.0.0.1", "1")
			},
			Lose: func([]*revocation.Instance, revocation.IDs) {
				replica.Command("REPLICAOF", "NO", "ONE")
				old := server.Swap(replica)
				old.Kill()
			},
			Check: func(t testing.TB, all []*revocation.Victim) {
				t.Helper()
				for _, v := range all {
					if !strings.Contains(replica.Command("EXISTS", "session:"+string(v.ID)), "1") {
						t.Error("the replica lacks a session: the test shows nothing")
					}
				}
			},
		}
	}
	revocation.Run(t, []revocation.Loss{
		{Name: "deleted by hand", Start: deleted},
		{Name: "deleted by hand, and the instance replaced", Start: deleted, Replace: revocation.After},
		{Name: "flushed", Start: flushed},
		{Name: "flushed, with many tombstones", Start: flushed, Known: true},
		{Name: "back from an older snapshot", Start: older},
		{Name: "back from an older snapshot, with many tombstones", Start: older, Known: true},
		{Name: "back from an older snapshot, after the instance was replaced", Start: older, Replace: revocation.Before},
		{Name: "a replica was promoted", Start: promoted},
		{Name: "a replica was promoted, after the instance was replaced", Start: promoted, Replace: revocation.Before},
	})
}

// The first instance starts with a cluster of three primaries. Those that start later find
// that a fourth one has a tenth of the slots, so that some shards are on two or three of them.
func TestALogoutHoldsAtInstancesWithAnotherLayout(t *testing.T) {
	type nodes = []*redistest.Server
	place := func(all nodes) revocation.Place {
		return revocation.Place{
			Open: func(t testing.TB) revocation.Store { return redisstore.New(newClient(t, all[0].URL())) },
			Delete: func(t testing.TB, id session.ID) {
				client := newClient(t, all[0].URL())
				if err := client.Do(t.Context(), client.B().Del().Key("session:"+string(id)).Build()).Error(); err != nil {
					t.Error(err)
				}
			},
		}
	}
	grows := func(before func(nodes), lose func(testing.TB, nodes, revocation.Place, revocation.IDs)) func(testing.TB) (revocation.Place, revocation.Steps) {
		return func(t testing.TB) (revocation.Place, revocation.Steps) {
			all := startCluster(t)
			p := place(all)
			return p, revocation.Steps{
				Change: func() {
					for _, n := range all[:3] {
						moveSlots(t, 512, n, all[3])
					}
				},
				Before: func() { before(all) },
				Lose:   func(_ []*revocation.Instance, ids revocation.IDs) { lose(t, all, p, ids) },
			}
		}
	}
	each := func(do func(*redistest.Server)) func(testing.TB, nodes, revocation.Place, revocation.IDs) {
		return func(_ testing.TB, all nodes, _ revocation.Place, _ revocation.IDs) {
			for _, n := range all {
				do(n)
			}
		}
	}
	deleted := func(t testing.TB, _ nodes, p revocation.Place, ids revocation.IDs) {
		for _, id := range ids {
			p.Delete(t, id)
		}
	}
	nothing := func(nodes) {}
	snapshot := func(all nodes) {
		for _, n := range all {
			n.Command("SAVE")
		}
	}
	revocation.Run(t, []revocation.Loss{
		{Name: "tombstones deleted by hand, and the first instance replaced", Start: grows(nothing, deleted), Replace: revocation.After},
		{Name: "flushed, after the first instance was replaced", Start: grows(nothing, each((*redistest.Server).Flush)), Replace: revocation.Before},
		{Name: "killed", Start: grows(nothing, each((*redistest.Server).Restart))},
		{Name: "back from an older snapshot", Start: grows(snapshot, each((*redistest.Server).Restart))},
	})
}

func TestALogoutInItsFirstSecond(t *testing.T) {
	revocation.FirstSecond(t, func(t testing.TB) revocation.Place { return startPrimary(t).place() })
}
