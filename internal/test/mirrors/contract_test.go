package mirrors_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/mirrorstore"
	"github.com/holdfast-go/session/storetest"
)

// pairs are mirrors, the first store in front of the second. Every store stands in both places. What
// is too large for the second, which decides, is too large for a mirror.
var pairs = [][2]string{
	{"memcached", "Redis"},
	{"Redis", "Redis"},
	{"Redis", "PostgreSQL"},
	{"memcached", "MariaDB"},
	{"SQLite", "MariaDB"},
	{"memcached", "PostgreSQL"},
	{"PostgreSQL", "large memcached"},
	{"MariaDB", "SQLite"},
}

// tested are the first pair, and with -long all: they take an hour.
func tested() [][2]string {
	if *long {
		return pairs
	}
	return pairs[:1]
}

// Any two stores keep the contract together. Without -long all pairs but the first leave out what
// needs a server that is away, which is a quarter of the cases.
func TestItKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("real servers are not short: make test runs this")
	}
	for n, pair := range pairs {
		t.Run(pair[0]+" before "+pair[1], func(t *testing.T) {
			whole := n == 0 || *long
			if !whole {
				t.Parallel()
			}
			storetest.Run(t, harness(servers[pair[0]](t), servers[pair[1]](t), whole))
		})
	}
}

// harness is of a mirror of two servers, both of which fail at once if faults says so.
func harness(first, second server, faults bool) storetest.Harness {
	n := 0
	open := func(t testing.TB) session.Store {
		return mirrorstore.New(first.open(t, n, new(chaos.Wire)), second.open(t, n, new(chaos.Wire)), nil)
	}
	h := storetest.Harness{
		New: func(t testing.TB) session.Store {
			n++
			return open(t)
		},
		Again: open,
	}
	if !faults {
		return h
	}
	both := func(a, b func()) func(testing.TB) { return func(testing.TB) { a(); b() } }
	h.Restart = func(testing.TB) { first.down(); second.down(); first.up(); second.up() }
	h.Down, h.Up = both(first.down, second.down), both(first.up, second.up)
	if first.freeze != nil && second.freeze != nil {
		h.Freeze, h.Thaw = both(first.freeze, second.freeze), both(first.thaw, second.thaw)
	}
	return h
}
