package revocation

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

const (
	instances = 3
	triesEach = 50
	between   = 150 * time.Millisecond // rounds of tries: they last longer than a quarantine
)

// Run lets each loss happen, all at the same time, as they wait most of it.
func Run(t *testing.T, losses []Loss) {
	notShort(t)
	var wg sync.WaitGroup
	for _, l := range losses {
		wg.Go(func() { t.Run(l.Name, func(t *testing.T) { run(t, l) }) })
	}
	wg.Wait()
}

func run(t *testing.T, l Loss) {
	p, steps := l.Start(t)
	keys := newKeys(t)
	all := []*Instance{p.open(t, keys)}
	logouts := 1 // instances that take logouts
	if steps.Change != nil {
		timeleft.Poll(t, "an exchange of the first instance", all[0].exchanged())
		steps.Change()
		logouts = 2
	}
	for len(all) < instances {
		all = append(all, p.open(t, keys))
	}
	crowd := make([]*Victim, *victims)
	for n := range crowd {
		crowd[n] = login(t, all[n%instances], n)
		if !crowd[n].try(all[(n+1)%instances]) {
			t.Fatal("the thief is not let in before the logout: the test shows nothing")
		}
		crowd[n] = login(t, all[n%instances], n)
	}
	if steps.Before != nil {
		steps.Before()
	}
	var ids IDs
	for n, v := range crowd {
		v.logout(t, all[n%logouts])
		ids = append(ids, v.ID)
	}
	if l.Known {
		revokeMany(t, all)
	}
	wait(t, all)
	if l.Replace == Before {
		replace(t, p, keys, all, crowd)
		wait(t, all)
	}
	if steps.Lose != nil {
		steps.Lose(all, ids)
	}
	if steps.Check != nil {
		steps.Check(t, crowd)
	}
	if l.Replace == After {
		replace(t, p, keys, all, crowd)
	}
	tryAll(t, p, keys, all, crowd)
}

// replace puts a new instance in the place of the one that took the logouts, and lets each
// thief try there at once.
func replace(t testing.TB, p Place, keys *seal.Keys, all []*Instance, crowd []*Victim) {
	t.Helper()
	all[0].close(t)
	all[0] = p.open(t, keys)
	for n, v := range crowd {
		if v.try(all[0]) {
			t.Errorf("thief %d is let in by an instance that has just started", n)
		}
	}
}

// tryAll lets each thief try fifty times, at all instances in turn, of which one starts
// after half of the tries and knows only what it reads.
func tryAll(t testing.TB, p Place, keys *seal.Keys, all []*Instance, crowd []*Victim) {
	t.Helper()
	began := time.Now()
	tries := 0
	for round := range triesEach {
		for n, v := range crowd {
			tries++
			if v.try(all[(n+round)%len(all)]) && v.letIn == 1 {
				t.Errorf("thief %d is let in by instance %d, %v after the loss", n, (n+round)%len(all), time.Since(began))
			}
		}
		if round == triesEach/2 {
			all = append(all, p.open(t, keys))
		}
		time.Sleep(between)
	}
	letIn := 0
	for _, v := range crowd {
		letIn += v.letIn
	}
	t.Logf("%d instances, %d tombstones known: let in %d of %d tries in %v", len(all), all[1].Stats().Journal.Known, letIn, tries, time.Since(began).Round(time.Second))
}

// wait returns two seconds after the last logout, and later where the instances are late:
// when each has read what the others had told by then.
func wait(t testing.TB, all []*Instance) {
	t.Helper()
	var done []func() bool
	for _, i := range all {
		done = append(done, i.exchanged())
	}
	time.Sleep(2 * time.Second)
	for _, d := range done {
		timeleft.Poll(t, "an exchange of an instance", d)
	}
}

// revokeMany ends sessions that nobody has, until each instance knows of many.
func revokeMany(t testing.TB, all []*Instance) {
	t.Helper()
	const workers = 64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := w; n < *known; n += workers {
				var id [16]byte
				_, _ = rand.Read(id[:])
				if _, err := all[n%len(all)].Revoke(t.Context(), session.ID(hex.EncodeToString(id[:]))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, i := range all {
		timeleft.Poll(t, "an instance that knows of all that was revoked", func() bool { return i.Stats().Journal.Known >= *known })
	}
}

// FirstSecond deletes each visitor's tombstone as soon as its logout is answered, and lets
// the thief try at once and again, at all instances. It prints for how long a thief was let
// in, and fails where one is let in two seconds later, however often the thief has renewed.
func FirstSecond(t *testing.T, start func(testing.TB) Place) {
	notShort(t)
	p, keys := start(t), newKeys(t)
	var all []*Instance
	for range instances {
		all = append(all, p.open(t, keys))
	}
	crowd := make([]*Victim, *victims)
	for n := range crowd {
		crowd[n] = login(t, all[n%instances], n)
	}
	began := time.Now()
	last := make([]time.Duration, len(crowd)) // when the thief was let in last
	for _, v := range crowd {
		v.logout(t, all[0])
		p.Delete(t, v.ID)
	}
	for round := 0; time.Since(began) < 2*time.Second; round++ {
		for n, v := range crowd {
			if v.try(all[1+(n+round)%2]) {
				last[n] = time.Since(began)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	letIn, longest := 0, time.Duration(0)
	for n, v := range crowd {
		if v.letIn > 0 {
			letIn++
		}
		longest = max(longest, last[n])
	}
	t.Logf("tombstones deleted at once: %d of %d thieves were let in, the last time %v after the first logout", letIn, len(crowd), longest.Round(time.Millisecond))
	wait(t, all)
	for round := range triesEach {
		for n, v := range crowd {
			if i := (n + round) % instances; v.try(all[i]) {
				t.Fatalf("thief %d is let in by instance %d, two seconds after the logout", n, i)
			}
		}
	}
}

// notShort skips the test under -short, because it waits for a quarantine.
func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a quarantine is not short: make test and make race run it in full")
	}
}

func newKeys(t testing.TB) *seal.Keys {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
