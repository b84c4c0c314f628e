package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/internal/test/host"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/postgrestest"
)

// measureStores lets the application take turns on all stores. The databases sync their
// logs at each commit, as they do unless they are told otherwise.
func measureStores(ctx context.Context, f *field, _ *results) (string, error) {
	s := *f.stores
	s.host = new(host.Host)
	defer s.host.Close()
	s.sql = contestant.Stores{
		Postgres: postgrestest.Start(s.host, "fsync=on", "shared_buffers=128MB").URL(),
		MariaDB:  mariadbtest.Start(s.host, "--innodb-flush-log-at-trx-commit=1").Addr,
		Dir:      s.host.TempDir(),
	}
	own := &field{plan: f.plan, stores: &s, out: f.out}
	defer own.close()
	for _, c := range contestant.InStores() {
		if !f.plan.only.MatchString(c.Name) {
			continue
		}
		r, err := own.enter(ctx, c)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.Name, err)
		}
		own.runners = append(own.runners, r)
		fmt.Fprintf(f.out, "%s is ready\n", c.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, storesText, contestant.Usual.Bytes>>10)
	for _, route := range []int{userRoute, cartRoute} {
		lanes := map[spot]*lane{}
		for _, conns := range f.plan.conns {
			var all []*lane
			for _, r := range own.runners {
				l := &lane{p: r.process, visitors: r.visitors[:conns], request: routes[route]}
				lanes[spot{r.Name, route, conns}] = l
				all = append(all, l)
			}
			if err := race(ctx, f.plan.rounds, f.plan.slice, all); err != nil {
				return "", err
			}
		}
		storesTable(&b, own, lanes, route)
	}
	return b.String(), nil
}

func storesTable(b *strings.Builder, f *field, lanes map[spot]*lane, route int) {
	fmt.Fprintf(b, "### `%s %s` in all stores\n\n| |", routes[route].Method, routes[route].Path)
	for _, conns := range f.plan.conns {
		fmt.Fprintf(b, " %d conn: req/s | × pgstore | CPU | p50 | p99 |", conns)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|--:|--:|--:|--:|", len(f.plan.conns)) + "\n")
	for _, r := range f.runners {
		fmt.Fprintf(b, "| %s |", r.Title)
		for _, conns := range f.plan.conns {
			l := lanes[spot{r.Name, route, conns}]
			fmt.Fprintf(b, " %.0f | %s | %s | %s | %s |", l.rate(), l.beside(lanes[spot{"store-postgres", route, conns}]),
				micros(l.cpu()), micros(l.latency.Quantile(0.5)), micros(l.latency.Quantile(0.99)))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

const storesText = `## The same in all stores

The application above, with its session of %d KB, in each store, and in the stores of scs and gorilla/sessions on the same
PostgreSQL. Servers run on this machine with their defaults, but for 128 MB of shared buffers of PostgreSQL's: PostgreSQL, MariaDB and
SQLite sync their logs at each commit, Redis and memcached keep nothing on disk. Each process has ten connections to a database. Holdfast
and scs without an idle timeout write nothing when a session is read; scs with one, as Holdfast has, writes it each time. The
write of Holdfast's compares; theirs replaces whatever stands. antonlindstrom/pgstore keeps the connection pool of
database/sql, and is given as many idle connections as it may open. CPU is that of the application's process.

`
