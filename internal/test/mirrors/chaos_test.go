package mirrors_test

import (
	"flag"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/mirrorstore"
)

var (
	faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")
	visitors = flag.Int("visitors", 50, "how many visitors there are at a time")
	long     = flag.Bool("long", false, "test mirrors of all pairs, and not of the first alone")
)

// Three instances over a mirror, of which each server is killed, frozen and emptied in turn,
// and two instances that see one server each.
func TestVisitorsInChaos(t *testing.T) {
	for _, pair := range tested() {
		t.Run(pair[0]+" before "+pair[1], func(t *testing.T) { visitorsInChaos(t, servers[pair[0]](t), servers[pair[1]](t)) })
	}
}

func visitorsInChaos(t *testing.T, first, second server) {
	var toSecond []*chaos.Wire
	do := func(f func()) func([]*chaos.Wire) { return func([]*chaos.Wire) { f() } }
	nothing := func([]*chaos.Wire) {}
	faults := []chaos.Fault{
		{Name: "the first is down", Begin: do(first.down), End: do(first.up)},
		{
			Name:  "two primaries",
			Begin: func(toFirst []*chaos.Wire) { toFirst[0].Cut(); toSecond[1].Cut() },
			End:   func(toFirst []*chaos.Wire) { toFirst[0].Mend(); toSecond[1].Mend() },
		},
		{Name: "the second is down", Begin: do(second.down), End: do(second.up)},
		{Name: "the first is emptied", Begin: do(first.empty), End: nothing},
		{Name: "the second is emptied", Begin: do(second.empty), End: nothing},
	}
	if first.freeze != nil {
		faults = append(faults, chaos.Fault{Name: "the first is frozen", Begin: do(first.freeze), End: do(first.thaw)})
	}
	if second.freeze != nil {
		faults = append(faults, chaos.Fault{Name: "the second is frozen", Begin: do(second.freeze), End: do(second.thaw)})
	}
	name := "both are down"
	if first.forgets && second.forgets {
		name += chaos.Forgets
	}
	faults = append(faults, chaos.Fault{
		Name:  name,
		Begin: do(func() { first.down(); second.down() }),
		End:   do(func() { first.up(); second.up() }),
	})
	chaos.Run(t, chaos.Place{
		Instances: 3,
		Visitors:  *visitors,
		For:       *faultFor,
		Open: func(t testing.TB, toFirst *chaos.Wire) session.Store {
			w := new(chaos.Wire)
			toSecond = append(toSecond, w)
			return mirrorstore.New(first.open(t, 1, toFirst), second.open(t, 1, w), nil)
		},
		Faults: faults,

		// A save is three calls or four, one after the other.
		ReadTimeout: 100 * time.Millisecond, SaveTimeout: 400 * time.Millisecond,

		Patience: 3 * time.Minute, // on a busy machine, see decision 79
		Repairs:  true,            // by probes: an instance that saw no fault reads the first store alone
	})
}
