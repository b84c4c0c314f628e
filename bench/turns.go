package main

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// turns are how two sides are measured: in short slices, one after the other,
// so that what else the machine does hits both.
type turns struct {
	rounds int
	slice  time.Duration
}

// operation is what is measured. Callers are numbered from 0, and each makes
// one call at a time.
type operation func(ctx context.Context, caller int) error

// outcome is what a comparison came to. Rates are operations a second.
type outcome struct {
	ours, theirs side
	// The ratio of ours to theirs over neighbouring slices: the median and the
	// quartiles.
	ratio, low, high float64
}

// side is what one of the two did.
type side struct {
	rate   float64 // the median of its slices
	allocs float64 // of each operation, those of all goroutines counted
}

// compare lets two operations take turns. The first round only warms up. If it
// takes much longer than it should, ctx ends.
func (t turns) compare(ctx context.Context, callers int, ours, theirs operation) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second+time.Duration(4*(t.rounds+1))*t.slice)
	defer cancel()
	var us, them slicesOf
	var ratios []float64
	for round := range t.rounds + 1 {
		first, second := &us, &them
		if round%2 == 0 { // neither always follows the other
			first, second = second, first
		}
		for _, s := range []*slicesOf{first, second} {
			op := ours
			if s == &them {
				op = theirs
			}
			if err := s.measure(ctx, t.slice, callers, op); err != nil {
				return outcome{}, err
			}
		}
		if round == 0 {
			us, them = slicesOf{}, slicesOf{}
			continue
		}
		ratios = append(ratios, us.rates[round-1]/them.rates[round-1])
	}
	low, median, high := quartiles(ratios)
	return outcome{us.side(), them.side(), median, low, high}, nil
}

// slicesOf one side so far.
type slicesOf struct {
	rates   []float64
	ops     int64
	mallocs uint64
}

func (s *slicesOf) side() side {
	_, median, _ := quartiles(s.rates)
	return side{median, float64(s.mallocs) / float64(s.ops)}
}

// measure adds a slice. Every caller makes at least one call.
func (s *slicesOf) measure(ctx context.Context, length time.Duration, callers int, op operation) error {
	var (
		begin = make(chan struct{})
		over  atomic.Bool
		ops   atomic.Int64
		errs  = make([]error, callers)
		wg    sync.WaitGroup
	)
	for i := range callers {
		wg.Go(func() {
			<-begin
			n := int64(0)
			for ok := true; ok; ok = errs[i] == nil && !over.Load() {
				errs[i] = op(ctx, i)
				n++
			}
			ops.Add(n)
		})
	}
	before := mallocs()
	began := time.Now()
	close(begin)
	time.Sleep(length)
	over.Store(true)
	wg.Wait()
	s.rates = append(s.rates, float64(ops.Load())/time.Since(began).Seconds())
	s.ops += ops.Load()
	s.mallocs += mallocs() - before
	return errors.Join(errs...)
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func quartiles(of []float64) (low, median, high float64) {
	of = slices.Sorted(slices.Values(of))
	n := len(of)
	return of[n/4], of[n/2], of[3*n/4]
}
