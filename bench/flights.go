package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/bench/load"
)

// calls is how many requests a page makes at once.
const calls = 20

// measureFlights opens pages whose calls are all under way before the store
// answers one of them: it is stopped for a moment. It counts what it is asked.
func measureFlights(ctx context.Context, f *field, r *results) (string, error) {
	r.flights = map[string]float64{}
	var b strings.Builder
	fmt.Fprintf(&b, "## A page with %d calls\n\nAll calls of one visitor arrive before the store, which is stopped for a moment, answers one of them. The table shows how many\ntimes the store was asked for the session: the median of %d pages. One load is under way at a time. A call that arrives\nmeanwhile does not share it, because its result may be older than what the visitor has seen; it shares the next load with\nall other calls.\n\n| | loads for a page |\n|---|--:|\n", calls, f.plan.pages)
	for _, one := range f.those("holdfast-redis", "holdfast-redis-backup", "holdfast-cache", "holdfast-memcached", "scs-redis", "gorilla-redis", "fiber-redis", "express-redis", "express-memcached") {
		var loads []float64
		for range f.plan.pages {
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			n, err := f.open(one)
			if err != nil {
				return "", fmt.Errorf("%s: %w", one.Name, err)
			}
			loads = append(loads, float64(n))
		}
		r.flights[one.Name] = median(loads) // another contestant's probe may come in between
		fmt.Fprintf(&b, "| %s | %.0f |\n", one.Title, r.flights[one.Name])
	}
	b.WriteString("\n")
	return b.String(), nil
}

// open opens one page, and returns how often the store was asked to read. Where
// a call fails, because the store stood still for longer than it was meant to,
// another page is opened.
func (f *field) open(one *runner) (loads int, err error) {
	first, err := one.arrive(1, contestant.Usual)
	if err != nil {
		return 0, err
	}
	defer first.Leave()
	visitors, err := load.Arrive(one.addr, calls)
	if err != nil {
		return 0, err
	}
	defer visitors.Leave()
	for i := range visitors { // connected, and known to the server
		if _, err := visitors[i].Conn.Do(&load.Jar{}, routes[foodRoute]); err != nil {
			return 0, err
		}
	}
	store := f.stores.server(one.Store)
	for attempt := 1; ; attempt++ {
		before := reads(f.stores.traffic(one.Store))
		store.Freeze()
		var wg sync.WaitGroup
		errs := make([]error, len(visitors))
		for i, v := range visitors {
			v.Conn.Patience(time.Minute)
			jar := first[0].Jar.Clone()
			wg.Go(func() { _, errs[i] = v.Conn.Do(jar, routes[userRoute]) })
		}
		time.Sleep(15 * time.Millisecond)
		store.Thaw()
		wg.Wait()
		failed := error(nil)
		for _, e := range errs {
			if e != nil {
				failed = e
			}
		}
		loads = reads(f.stores.traffic(one.Store)) - before
		if failed == nil || attempt == 10 {
			return loads, failed
		}
		if first, err = one.arrive(1, contestant.Usual); err != nil {
			return 0, err
		}
		defer first.Leave()
	}
}

func reads(t traffic) int { return t.commands["GET"] + t.commands["get"] }
