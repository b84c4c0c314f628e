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

var costs = flag.Bool("costs", false, "measure what exchanges cost, in virtual time")

// TestCosts prints what instances ask of a store that answers in a millisecond, and how long
// it takes until the last one knows of a logout.
func TestCosts(t *testing.T) {
	if !*costs {
		t.Skip("it measures, and decides nothing: run with -costs")
	}
	for _, n := range []int{1, 10, 100} {
		for _, logouts := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) { fmt.Println(measure(n, logouts)) })
		}
	}
}

func measure(n int, logouts bool) string {
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
	line := fmt.Sprintf("%3d instances, logouts %-5v: %6.1f loads/s %6.1f saves/s %8.1f KB/s, %d failed exchanges",
		n, logouts, float64(loads)/seconds, float64(saves)/seconds, float64(bytes)/seconds/1000, errs)
	if logouts {
		slices.Sort(waits)
		slices.Sort(appends)
		line += fmt.Sprintf("; the last one knows after %v (median), %v (most); Append takes %v, %v",
			waits[len(waits)/2], waits[len(waits)-1], appends[len(appends)/2], appends[len(appends)-1])
	}
	return line
}

func untilAllKnow(all []*process, n int, began time.Time) time.Duration {
	for _, p := range all {
		for !p.set.knows(idOf(n)) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return time.Since(began)
}
