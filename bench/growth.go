package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/holdfast-go/session/bench/contestant"
)

// measureGrowth measures how the figures change as sessions, their keys and the
// connections grow.
func measureGrowth(ctx context.Context, f *field, r *results) (string, error) {
	var b strings.Builder
	b.WriteString("## Growth\n\n")
	for _, part := range []func(context.Context, *strings.Builder, *field, *results) error{bySize, byKeys, byConnections} {
		if err := part(ctx, &b, f, r); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func bySize(ctx context.Context, b *strings.Builder, f *field, _ *results) error {
	sizes := []contestant.Shape{{Bytes: 300, Keys: 3}, {Bytes: 4 << 10, Keys: 6}, {Bytes: 32 << 10, Keys: 12}}
	fmt.Fprintf(b, "### Size of the session\n\n%d connections; requests a second, and CPU of the server's process for one.\n\n| |", f.plan.most())
	for _, size := range sizes {
		fmt.Fprintf(b, " %.1f KB: read | CPU | write | CPU |", float64(size.Bytes)/1024)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|--:|--:|--:|", len(sizes)) + "\n")
	// A sealed copy of 32 KB does not fit the cookies: what of it does not is left out.
	rows := f.those("holdfast-memory", "holdfast-redis", "floor-redis", "holdfast-redis-backup", "holdfast-cache", "holdfast-memcached", "floor-memcached", "scs-redis", "scs-redis-idle", "gorilla-redis")
	var all []*lane
	for _, one := range rows {
		for _, size := range sizes {
			visitors, err := one.arrive(f.plan.most(), size)
			if err != nil {
				return fmt.Errorf("%s: %w", one.Name, err)
			}
			defer visitors.Leave()
			for _, route := range []int{userRoute, cartRoute} {
				all = append(all, &lane{p: one.process, visitors: visitors, request: routes[route]})
			}
		}
	}
	if err := race(ctx, f.plan.rounds, f.plan.slice/2, all); err != nil {
		return err
	}
	for _, one := range rows {
		fmt.Fprintf(b, "| %s |", one.Title)
		for range 2 * len(sizes) {
			fmt.Fprintf(b, " %.0f | %s |", all[0].rate(), micros(all[0].cpu()))
			all = all[1:]
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return nil
}

func byKeys(ctx context.Context, b *strings.Builder, f *field, r *results) error {
	counts := []int{1, 10, 50, 200}
	fmt.Fprintf(b, "### Keys of the session\n\nOne small key is read of a session of %d KB, which are in so many other keys; %d connections. Requests a second, CPU\nof the server's process for one.\n\n| |",
		contestant.Usual.Bytes>>10, f.plan.most())
	for _, n := range counts {
		fmt.Fprintf(b, " %d | CPU |", n)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|--:|", len(counts)) + "\n")
	rows := f.those("holdfast-memory", "holdfast-redis", "holdfast-memcached", "scs-redis", "gorilla-redis")
	r.keys = map[string]map[int]*lane{}
	var all []*lane
	for _, one := range rows {
		r.keys[one.Name] = map[int]*lane{}
		for _, n := range counts {
			visitors, err := one.arrive(f.plan.most(), contestant.Shape{Bytes: contestant.Usual.Bytes, Keys: n})
			if err != nil {
				return fmt.Errorf("%s: %w", one.Name, err)
			}
			defer visitors.Leave()
			l := &lane{p: one.process, visitors: visitors, request: routes[userRoute]}
			r.keys[one.Name][n], all = l, append(all, l)
		}
	}
	if err := race(ctx, f.plan.rounds, f.plan.slice/2, all); err != nil {
		return err
	}
	for _, one := range rows {
		fmt.Fprintf(b, "| %s |", one.Title)
		for _, n := range counts {
			l := r.keys[one.Name][n]
			fmt.Fprintf(b, " %.0f | %s |", l.rate(), micros(l.cpu()))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return nil
}

func byConnections(ctx context.Context, b *strings.Builder, f *field, _ *results) error {
	fmt.Fprintf(b, "### Connections\n\n`%s`; requests a second, and the time within which 99 of 100 are answered.\n\n| |", contestant.User)
	for _, n := range f.plan.crowd {
		fmt.Fprintf(b, " %d | p99 |", n)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|--:|", len(f.plan.crowd)) + "\n")
	rows := f.those("bare", "holdfast-redis", "floor-redis", "holdfast-redis-backup", "holdfast-cache", "holdfast-memcached", "floor-memcached", "scs-redis", "gorilla-redis", "fiber-redis", "express-redis")
	text := map[string]string{}
	for _, n := range f.plan.crowd {
		var lanes []*lane
		for _, one := range rows {
			visitors := one.visitors
			if n > len(visitors) {
				more, err := one.arrive(n, contestant.Usual)
				if err != nil {
					return fmt.Errorf("%s: %w", one.Name, err)
				}
				defer more.Leave()
				visitors = more
			}
			lanes = append(lanes, &lane{p: one.process, visitors: visitors[:n], request: routes[userRoute]})
		}
		if err := race(ctx, f.plan.rounds, f.plan.slice/2, lanes); err != nil {
			return err
		}
		for _, l := range lanes {
			text[l.p.Name] += fmt.Sprintf(" %.0f | %s |", l.rate(), micros(l.latency.Quantile(0.99)))
		}
	}
	for _, one := range rows {
		fmt.Fprintf(b, "| %s |%s\n", one.Title, text[one.Name])
	}
	b.WriteString("\n")
	return nil
}

// those returns the contestants of these names that are here.
func (f *field) those(names ...string) (all []*runner) {
	for _, name := range names {
		if r := f.runner(name); r != nil {
			all = append(all, r)
		}
	}
	return all
}
