package mirrors_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/mirrorstore"
	"github.com/holdfast-go/session/storetest"
)

// pairs are mirrors, the first store in front of the second.
var pairs = [][2]string{
	{"memcached", "Redis"},
	{"Redis", "Redis"},
	{"Redis", "PostgreSQL"},
	{"memcached", "MariaDB"},
	{"SQLite", "MariaDB"},
}

// tested are the first pair, and with -long all: they take half an hour.
func tested() [][2]string {
	if *long {
		return pairs
	}
	return pairs[:1]
}

// Any two stores keep the contract together.
func TestItKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("outages are not short: make test and make race run them in full")
	}
	for _, pair := range tested() {
		t.Run(pair[0]+" before "+pair[1], func(t *testing.T) {
			first, second := servers[pair[0]](t), servers[pair[1]](t)
			n := 0
			open := func(t testing.TB) session.Store {
				return mirrorstore.New(first.open(t, n, new(chaos.Wire)), second.open(t, n, new(chaos.Wire)), nil)
			}
			both := func(a, b func()) func(testing.TB) { return func(testing.TB) { a(); b() } }
			h := storetest.Harness{
				New: func(t testing.TB) session.Store {
					n++
					return open(t)
				},
				Again:   open,
				Restart: func(testing.TB) { first.down(); second.down(); first.up(); second.up() },
				Down:    both(first.down, second.down),
				Up:      both(first.up, second.up),
			}
			if first.freeze != nil && second.freeze != nil {
				h.Freeze, h.Thaw = both(first.freeze, second.freeze), both(first.thaw, second.thaw)
			}
			storetest.Run(t, h)
		})
	}
}
