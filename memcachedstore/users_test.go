package memcachedstore_test

import (
	"testing"

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
			revocation.Users(t, revocationPlace(servers...), revocation.Weather{
				Away: func() { o.begin(servers[0]) },
				Back: func() { o.end(servers[0]) },
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
