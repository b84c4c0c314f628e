package main

import (
	"context"
	"fmt"
	"strings"
)

// duel is two contestants side by side, of whom one has to be so much faster.
type duel struct {
	what       string
	require    float64
	one, other spot
}

// duels are what the lines about rates are made of.
func duels(many int) []duel {
	ours := func(name string, route int) spot { return spot{"holdfast-" + name, route, many} }
	theirs := func(name string, route int) spot { return spot{name, route, many} }
	return []duel{
		{"Untouched route, × bare", 0.97, ours("redis", foodRoute), theirs("bare", foodRoute)},
		{"Untouched route with a backup, × bare with the same cookies", 0.97, ours("redis-backup", foodRoute), theirs("bare-cookies", foodRoute)},
		{"Read from Redis, × floor", 0.93, ours("redis", userRoute), theirs("floor-redis", userRoute)},
		{"Read from memcached, × floor", 0.93, ours("memcached", userRoute), theirs("floor-memcached", userRoute)},
		{"Read with the client-side cache, × bare", 0.85, ours("cache", userRoute), theirs("bare", userRoute)},
		{"Read, × scs + go-redis, idle timeout on", 2.5, ours("redis", userRoute), theirs("scs-redis-idle", userRoute)},
		{"Read, × scs + go-redis, idle timeout off", 1.5, ours("redis", userRoute), theirs("scs-redis", userRoute)},
		{"Read, × gorilla + redistore", 2, ours("redis", userRoute), theirs("gorilla-redis", userRoute)},
		{"`/user/readonly`, × express-session", 6, ours("redis", readOnlyRoute), theirs("express-redis", readOnlyRoute)},
		{"`/food`, × express-session's global middleware", 10, ours("redis", foodRoute), theirs("express-redis", foodRoute)},
		{"Write of one key, × scs + go-redis", 1.3, ours("redis", cartRoute), theirs("scs-redis", cartRoute)},
		{"Write of one key, × scs + go-redis, idle timeout on", 1.3, ours("redis", cartRoute), theirs("scs-redis-idle", cartRoute)},
		{"Degraded read, × healthy read, both with a backup", 1, ours("redis-killed", userRoute), ours("redis-backup", userRoute)},
		{"Degraded read, × healthy read without a backup", 1, ours("redis-killed", userRoute), ours("redis", userRoute)},
	}
}

// lives is how many processes of each contestant a duel has, one after the other:
// two processes of one program differ by several percent, each for its life.
const lives = 3

// duelsText begins the section.
const duelsText = `The lines about rates are duels: two contestants alone take turns, in %d rounds of %v each of %d pairs of processes.
Processor time is that of each server's process for a request, the kernel's part included, and its ratio the other's time
to the one's: 1 where both need the same, less where the one needs more. It is the ratio that repeats on a machine that does
other things too. Quartiles are those of the rounds' own ratios.

| | × by rate | the one | the other | × by processor time | quartiles |
|---|--:|--:|--:|--:|--:|
`

// measureDuels lets the two of each line take turns alone, so that what the
// machine does besides happens to both.
func measureDuels(ctx context.Context, f *field, r *results) (string, error) {
	r.duels = map[duel][2]*lane{}
	var b strings.Builder
	fmt.Fprintf(&b, duelsText, f.plan.rounds, f.plan.slice, lives)
	for _, d := range duels(f.plan.most()) {
		one, other := f.runner(d.one.name), f.runner(d.other.name)
		if one == nil || other == nil {
			continue
		}
		var all [2]*lane
		for range lives {
			if err := f.live(ctx, d, one, other, &all); err != nil {
				return "", fmt.Errorf("%s: %w", d.what, err)
			}
		}
		r.duels[d] = all
		fmt.Fprintf(f.out, "%s: %s\n", d.what, all[0].beside(all[1]))
		c := all[0].computes(all[1])
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.2f to %.2f |\n", d.what, all[0].beside(all[1]), micros(all[0].cpu()), micros(all[1].cpu()), c, c.low, c.high)
	}
	b.WriteString("\n")
	return b.String(), nil
}

// live is one life of both.
func (f *field) live(ctx context.Context, d duel, one, other *runner, all *[2]*lane) error {
	var lanes []*lane
	for i, r := range []*runner{one, other} {
		fresh, err := f.enter(ctx, r.Contestant)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		defer fresh.leave()
		lanes = append(lanes, &lane{p: fresh.process, visitors: fresh.visitors, request: routes[[]spot{d.one, d.other}[i].route]})
	}
	if err := race(ctx, f.plan.rounds, f.plan.slice, lanes); err != nil {
		return err
	}
	for i, l := range lanes {
		if all[i] == nil {
			all[i] = &lane{p: l.p}
		}
		all[i].rates = append(all[i].rates, l.rates...)
		all[i].cpus = append(all[i].cpus, l.cpus...)
	}
	return nil
}
