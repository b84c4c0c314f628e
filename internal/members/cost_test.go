package members

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var costs = flag.Bool("costs", false, "measure what the exchanges of a hundred instances cost too, in virtual time")

// TestCosts measures what instances ask of a store that answers in a millisecond, and how
// long it takes until the last one knows of a logout. -v prints the figures.
func TestCosts(t *testing.T) {
	instances := []int{1, 10}
	if *costs {
		instances = append(instances, 100)
	}
	for _, n := range instances {
		for _, logouts := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				c := measure(n, logouts)
				t.Log(c)
				if c.failed > 0 {
					t.Errorf("%d exchanges have failed", c.failed)
				}
				if each := c.loads / float64(n); !logouts && each > 1.1 {
					t.Errorf("an idle instance makes %.1f loads a second, want about 1", each)
				}
				if logouts && c.known[len(c.known)-1] > 2*time.Second {
					t.Errorf("the last instance knew of a logout after %v, want two intervals at most", c.known[len(c.known)-1])
				}
			})
		}
	}
}

// cost is what instances ask of the store, each second, and how long logouts take.
type cost struct {
	n                   int // instances
	logouts             bool
	loads, saves, bytes float64
	failed              int             // exchanges
	known, appends      []time.Duration // until the last instance knows, until Append returns, ascending
}

// String is one line.
func (c cost) String() string {
	line := fmt.Sprintf("%3d instances, logouts %-5v: %6.1f loads/s %6.1f saves/s %8.1f KB/s, %d failed exchanges",
		c.n, c.logouts, c.loads, c.saves, c.bytes/1000, c.failed)
	if c.logouts {
		middle, last := len(c.known)/2, len(c.known)-1
		line += fmt.Sprintf("; the last one knows after %v (median), %v (most)", c.known[middle], c.known[last])
		middle, last = len(c.appends)/2, len(c.appends)-1
		line += fmt.Sprintf("; Append takes %v, %v", c.appends[middle], c.appends[last])
	}
	return line
}

func measure(n int, logouts bool) cost {
	f := newStore()
	f.latency = time.Millisecond
	var all []*process
	for i := range n {
		all = append(all, start(f, uint32(i+1)))
		time.Sleep(time.Second / time.Duration(n))
	}
	time.Sleep(2 * time.Minute)
	f.count()
	const seconds = 20
	var wg sync.WaitGroup
	var mu sync.Mutex
	var waits, appends []time.Duration
	if logouts {
		for i, p := range all {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / time.Duration(n))
				for k := range seconds {
					began := time.Now()
					if p.ends(1000*i+k) != nil {
						continue
					}
					took := time.Since(began)
					mu.Lock()
					appends = append(appends, took)
					mu.Unlock()
					if k == seconds/2 {
						wg.Go(func() {
							wait := untilAllKnow(all, 1000*i+k, began)
							mu.Lock()
							waits = append(waits, wait)
							mu.Unlock()
						})
					}
					time.Sleep(time.Second - took)
				}
			})
		}
	} else {
		time.Sleep(seconds * time.Second)
	}
	wg.Wait()
	loads, saves, bytes := f.count()
	errs := 0
	for _, p := range all {
		p.crash()
		<-p.gone
		p.wg.Wait()
		errs += p.errs
	}
	slices.Sort(waits)
	slices.Sort(appends)
	return cost{
		n: n, logouts: logouts, failed: errs, known: waits, appends: appends,
		loads: float64(loads) / seconds, saves: float64(saves) / seconds, bytes: float64(bytes) / seconds,
	}
}

func untilAllKnow(all []*process, n int, began time.Time) time.Duration {
	for _, p := range all {
		for !p.set.knows(idOf(n)) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return time.Since(began)
}
