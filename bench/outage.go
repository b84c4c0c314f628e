package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/bench/load"
	"github.com/holdfast-go/session/internal/test/redistest"
)

// outage is what many visitors met while their store was killed, and what the
// store met when it was back, empty.
type outage struct {
	sessions      int
	before        phase
	without       phase // the store is away
	noticed       time.Duration
	owed          session.JournalStats // at the end
	back          phase                // it is there again, and takes its sessions
	serving       time.Duration        // since it answers
	delivered     time.Duration        // the journal
	restored      time.Duration        // every session
	complete      bool
	commands      map[string]int
	in, peak      int // bytes in; commands in the busiest second
	lost, written int // of the last write of each visitor who wrote
}

func measureOutage(ctx context.Context, f *field, r *results) (string, error) {
	name := "holdfast-redis-backup"
	template := f.runner(name)
	if template == nil {
		return "", nil
	}
	server := redistest.Start(f.stores.host)
	p, err := start(ctx, template.Contestant, contestant.Stores{Redis: server.Addr()}, "", "")
	if err != nil {
		return "", err
	}
	defer p.close()
	c, err := newCrowd(p, f.plan.sessions, f.plan.most())
	if err != nil {
		return "", err
	}
	defer c.leave()
	fmt.Fprintf(f.out, "%d visitors are logged in\n", f.plan.sessions)

	o := &outage{sessions: f.plan.sessions}
	r.outage = o
	length := min(5*time.Second, 10*f.plan.slice)
	if o.before, err = c.visit(ctx, after(length)); err != nil {
		return "", err
	}

	// Killed in full swing.
	began := time.Now()
	server.Kill()
	watch, err := load.Dial(p.addr)
	if err != nil {
		return "", err
	}
	defer watch.Close()
	var noticed atomic.Int64
	o.without, err = c.visit(ctx, func() bool {
		if noticed.Load() == 0 {
			if s, err := stateOf(watch); err == nil && s.Failing {
				noticed.Store(int64(time.Since(began)))
			}
		}
		return noticed.Load() != 0 && time.Since(began) > length
	})
	if err != nil {
		return "", err
	}
	o.noticed = time.Duration(noticed.Load())
	s, err := stateOf(watch)
	if err != nil {
		return "", err
	}
	o.owed = s.Journal

	// Back, and empty.
	server.Restart()
	began = time.Now()
	if o.back, err = c.visit(ctx, o.watch(server, watch, began)); err != nil {
		return "", err
	}
	t := redisTraffic(server)
	o.commands, o.in = t.commands, t.in
	delete(o.commands, "DBSIZE") // ours
	o.written, o.lost = c.recall()
	return o.text(), nil
}

// watch returns a function that looks how far the store has taken its sessions back, and
// reports whether it has all of them.
func (o *outage) watch(server *redistest.Server, conn *load.Conn, began time.Time) func() bool {
	second, last := began.Add(time.Second), 0
	return func() bool {
		if now := time.Now(); now.After(second) {
			n := total(redisTraffic(server).commands)
			o.peak = max(o.peak, n-last)
			last = n
			second = now.Add(time.Second)
		}
		s, err := stateOf(conn)
		if err != nil {
			return false
		}
		if !s.Failing && o.serving == 0 {
			o.serving = time.Since(began)
		}
		if s.Journal.States+s.Journal.Tombstones == 0 && o.serving != 0 && o.delivered == 0 {
			o.delivered = time.Since(began)
		}
		keys, _ := strconv.Atoi(server.Command("DBSIZE"))
		if keys >= o.sessions && o.delivered != 0 {
			o.restored, o.complete = time.Since(began), true
		}
		return o.complete
	}
}

func stateOf(conn *load.Conn) (s contestant.Report, err error) {
	conn.Patience(time.Minute)
	a, err := conn.Do(&load.Jar{}, &load.Request{Method: "GET", Path: contestant.State})
	if err == nil {
		err = json.Unmarshal(a.Body, &s)
	}
	return s, err
}

func total(commands map[string]int) (n int) {
	for _, c := range commands {
		n += c
	}
	return n
}

func (o *outage) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, outageText, o.sessions, everyTenth)
	for _, row := range []struct {
		name string
		phase
	}{{"before", o.before}, {"the store is away", o.without}, {"the store is back", o.back}} {
		fmt.Fprintf(&b, "| %s | %.1f s | %.0f | %d | %s | %s | %s |\n", row.name, row.took.Seconds(),
			float64(row.requests)/row.took.Seconds(), row.failed,
			micros(row.latency.Quantile(0.5)), micros(row.latency.Quantile(0.99)), micros(row.longest))
	}
	var commands []string
	for name, n := range o.commands {
		commands = append(commands, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(commands)
	fmt.Fprintf(&b, "\n* Noticed after %.2f s. %d writes while it was away; at its end %d sessions waited in the journal, %d KB.\n",
		o.noticed.Seconds(), o.without.writes, o.owed.States, o.owed.Bytes>>10)
	fmt.Fprintf(&b, "* Back: trusted again after %.1f s, the journal delivered after %.1f s", o.serving.Seconds(), o.delivered.Seconds())
	if o.complete {
		fmt.Fprintf(&b, ", all sessions in the store again after %.1f s.\n", o.restored.Seconds())
	} else {
		b.WriteString("; **the sessions were not all in the store when the run gave up**.\n")
	}
	fmt.Fprintf(&b, "* The store was asked %s in that time, at most %d in a second, and took in %.0f MB.\n", strings.Join(commands, ", "), o.peak, float64(o.in)/(1<<20))
	fmt.Fprintf(&b, "* Of %d visitors who wrote, %d lost their last write.\n\n", o.written, o.lost)
	return b.String()
}

const outageText = `## An outage

Holdfast with a backup, its Redis killed and started again, empty; %d visitors, each with a session of 300 bytes, who come
one after the other without a pause; every %dth request writes. Each answer is checked.

| | for | requests/s | failed | p50 | p99 | longest |
|---|--:|--:|--:|--:|--:|--:|
`
