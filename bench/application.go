package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/holdfast-go/session/bench/contestant"
)

// measureApplication lets all contestants take turns on each route.
func measureApplication(ctx context.Context, f *field, r *results) (string, error) {
	r.application = map[spot]*lane{}
	for route := range routes {
		for _, conns := range f.plan.conns {
			var lanes []*lane
			for _, one := range f.runners {
				l := &lane{p: one.process, visitors: one.visitors[:conns], request: routes[route]}
				lanes = append(lanes, l)
				r.application[spot{one.Name, route, conns}] = l
			}
			if err := race(ctx, f.plan.rounds, f.plan.slice, lanes); err != nil {
				return "", err
			}
			fmt.Fprintf(f.out, "%s with %d connections is done\n", routes[route].Path, conns)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, applicationText, contestant.Usual.Bytes>>10, len(contestant.Usual.New().Items)+4)
	for route := range routes {
		routeTable(&b, f, r, route)
	}
	costTable(&b, f)
	return b.String(), nil
}

const applicationText = `## The application, side by side

The session is of %d KB, in %d keys. Each row is a server process of its own; all keep their sessions in the same Redis and
the same memcached, but for those whose store was killed. Each library has its defaults, and where one of them would
keep it from holding such a session, or from having a connection when it needs one, the nearest value that does not
(redistore 100 idle connections and 1 MB, gorilla's cookie 32 KB, which no browser takes).
Holdfast waits 2 s for its store instead of 50 and 100 ms, so that a machine which does other things too is not taken for a
store that is away. Everything is under the middleware where a library has one. The floor makes one read of the bytes that Holdfast stores, by
the same client, and decodes the one value, whose place it knows; its write is a read and a set that compares nothing.

× bare and × floor are ratios of the medians, the floor being that of the row's own store and client. CPU is that of the
server's process for one request.

`

var routeTexts = [...]string{
	foodRoute:     "needs no session; the visitor has one",
	userRoute:     "reads one small key",
	readOnlyRoute: "reads one small key and says so: Holdfast's ReadOnly, the articles' trick in Express; the others have no such thing",
	cartRoute:     "writes one key",
}

func routeTable(b *strings.Builder, f *field, r *results, route int) {
	fmt.Fprintf(b, "### `%s %s`: %s\n\n| |", routes[route].Method, routes[route].Path, routeTexts[route])
	for _, conns := range f.plan.conns {
		fmt.Fprintf(b, " %d conn: req/s | × bare | × floor | CPU | p50 | p99 |", conns)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|--:|--:|--:|--:|--:|", len(f.plan.conns)) + "\n")
	for _, one := range f.runners {
		fmt.Fprintf(b, "| %s |", one.Title)
		for _, conns := range f.plan.conns {
			l := r.application[spot{one.Name, route, conns}]
			fmt.Fprintf(b, " %.0f | %s | %s | %s | %s | %s |", l.rate(),
				l.beside(r.application[spot{"bare", route, conns}]), l.beside(r.application[spot{floorOf(one), route, conns}]),
				micros(l.cpu()), micros(l.latency.Quantile(0.5)), micros(l.latency.Quantile(0.99)))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// floorOf names the floor that a contestant stands on.
func floorOf(one *runner) string {
	switch {
	case strings.HasPrefix(one.Name, "holdfast-cache"):
		return "floor-cache"
	case one.Store == contestant.Redis:
		return "floor-redis"
	case one.Store == contestant.Memcached:
		return "floor-memcached"
	}
	return ""
}

func costTable(b *strings.Builder, f *field) {
	b.WriteString("### What a request takes\n\nCounted, in one connection: commands of the store and its bytes in and out; bytes of Set-Cookie lines.\n" +
		"A script counts as the one command that it is.\n\n| |")
	for _, route := range routes {
		fmt.Fprintf(b, " `%s` | store bytes | Set-Cookie |", route.Path)
	}
	b.WriteString(" Cookie |\n|---|" + strings.Repeat("---|--:|--:|", len(routes)) + "--:|\n")
	for _, one := range f.runners {
		fmt.Fprintf(b, "| %s |", one.Title)
		for route := range routes {
			c := one.costs[route]
			if one.Store == contestant.None || one.Killed {
				fmt.Fprintf(b, " – | – | %d |", c.setCookie)
			} else {
				fmt.Fprintf(b, " %s | %d + %d | %d |", c.commands, c.in, c.out, c.setCookie)
			}
		}
		fmt.Fprintf(b, " %d |\n", one.costs[userRoute].cookie)
	}
	b.WriteString("\n")
}
