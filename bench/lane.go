package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/holdfast-go/session/bench/load"
)

// lane is one of those that take turns: visitors of one contestant who ask for
// one thing.
type lane struct {
	p        *process
	visitors load.Visitors
	request  *load.Request

	rates   []float64       // of each round, a second
	cpus    []time.Duration // of each round, of the server's process for a request
	own     []time.Duration // the same of this process, which asks
	latency load.Histogram  // of all rounds
}

// race lets lanes take turns of so long, so many rounds. An extra round before them
// only warms up. Every other round goes backwards, so that no lane always follows
// the same one.
func race(ctx context.Context, rounds int, length time.Duration, lanes []*lane) error {
	for round := range rounds + 1 {
		order := slices.Clone(lanes)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, l := range order {
			if err := l.turn(ctx, length, round == 0); err != nil {
				return fmt.Errorf("%s: %w", l.p.Name, err)
			}
		}
	}
	return nil
}

func (l *lane) turn(ctx context.Context, length time.Duration, warm bool) error {
	if warm {
		length /= 4
	}
	before, own := l.p.cpu(), cpuOf(os.Getpid())
	slice, err := l.visitors.Loop(ctx, l.request, length)
	if err != nil || warm {
		return err
	}
	l.rates = append(l.rates, slice.Rate)
	l.cpus = append(l.cpus, (l.p.cpu()-before)/time.Duration(slice.Requests))
	l.own = append(l.own, (cpuOf(os.Getpid())-own)/time.Duration(slice.Requests))
	l.latency.Merge(&slice.Latency)
	return nil
}

func (l *lane) rate() float64 { return median(l.rates) }

func (l *lane) cpu() time.Duration { return median(l.cpus) }

// beside is the ratio of the medians, and what the rounds had it between: their
// quartiles.
func (l *lane) beside(other *lane) ratio {
	if l == nil || other == nil {
		return ratio{}
	}
	var each []float64
	for i := range l.rates {
		each = append(each, l.rates[i]/other.rates[i])
	}
	low, _, high := quartiles(each)
	return ratio{l.rate() / other.rate(), low, high}
}

// computes is beside by the processor time of the servers' processes for a request: 1
// where both need the same, less where l needs more. Other work of the machine hardly
// changes it.
func (l *lane) computes(other *lane) ratio {
	if l == nil || other == nil {
		return ratio{}
	}
	var each []float64
	for i := range l.cpus {
		each = append(each, float64(other.cpus[i])/float64(l.cpus[i]))
	}
	low, middle, high := quartiles(each)
	return ratio{middle, low, high}
}

// ratio is 0 where there is none.
type ratio struct{ median, low, high float64 }

func (r ratio) String() string {
	if r.median == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", r.median)
}

// spread is how far apart the quartiles of the rounds are, as a part of the
// median.
func (l *lane) spread() float64 {
	low, middle, high := quartiles(l.rates)
	return (high - low) / middle
}

func median[T float64 | time.Duration](of []T) T {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}
