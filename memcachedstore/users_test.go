package memcachedstore_test

import (
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/revocation"
)

// Three servers lose the lists of the users and all that they have. Then one of them is
// frozen, or killed, after which it comes back empty.
func TestUsersInAStorm(t *testing.T) {
	type outage struct{ begin, end func(*memcachedtest.Server) }
	all := map[string]outage{"frozen": {(*memcachedtest.Server).Freeze, (*memcachedtest.Server).Thaw}}
	if !testing.Short() { // a second quarantine comes at the end
		all["killed"] = outage{(*memcachedtest.Server).Kill, (*memcachedtest.Server).Restart}
	}
	for name, o := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := threeServers(t)
			place := revocationPlace(servers...)
			var away atomic.Bool
			place.Delete = func(t testing.TB, id session.ID) {
				for _, s := range servers {
					_, err := s.Try("delete session:"+string(id)+"\r\n", "\r\n")
					if err != nil && !away.Load() { // the outage may have begun meanwhile
						t.Error(err)
					}
				}
			}
			revocation.Users(t, place, revocation.Weather{
				Away: func() {
					away.Store(true)
					o.begin(servers[0])
				},
				Back: func() {
					o.end(servers[0])
					away.Store(false)
				},
				Lose: func() {
					for _, s := range servers {
						s.Flush()
					}
				},
				For: *faultFor,
			})
		})
	}
}
