package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/bench/load"
	"github.com/holdfast-go/session/internal/test/redistest"
)

// rush is the busiest hour: all visitors come back in one second.
type rush struct {
	name string
	phase
	journal    int // bytes at their most, as the next two
	goroutines int
	restores   int // in a second
	written    int
	lost       int // of the last write of each visitor who wrote
}

// rushes is how often the crowd comes back, and to what.
type rushes []*rush

func measureRush(ctx context.Context, f *field, r *results) (string, error) {
	template := f.runner("holdfast-redis-backup")
	if template == nil {
		return "", nil
	}
	server := redistest.Start(f.stores.host)
	p, err := start(ctx, template.Contestant, contestant.Stores{Redis: server.Addr()}, "", "")
	if err != nil {
		return "", err
	}
	defer p.close()
	c, err := newCrowd(p, f.plan.rush(), f.plan.mostAtOnce())
	if err != nil {
		return "", err
	}
	defer c.leave()
	watch, err := load.Dial(p.addr)
	if err != nil {
		return "", err
	}
	defer watch.Close()
	for _, s := range []struct {
		name    string
		prepare func() error
		after   func()
	}{
		{"well", func() error { return nil }, func() {}},
		{"empty", func() error {
			server.Kill()
			server.Restart()
			return trusted(ctx, watch)
		}, func() {}},
		{"away", func() error { server.Kill(); return nil }, server.Restart},
	} {
		if err := s.prepare(); err != nil {
			return "", err
		}
		one, err := c.rush(ctx, watch, s.name)
		if err != nil {
			return "", fmt.Errorf("the store is %s: %w", s.name, err)
		}
		s.after()
		if err := trusted(ctx, watch); err != nil {
			return "", err
		}
		one.written, one.lost = c.recall()
		r.rushes = append(r.rushes, one)
	}
	return r.rushes.text(f.plan), nil
}

// trusted waits until the store serves, has all that the process owes it, and is
// believed where it has nothing.
func trusted(ctx context.Context, watch *load.Conn) error {
	noticed := time.Now().Add(2 * time.Second) // a store that has lost its memory
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s, err := stateOf(watch)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		believed := !s.Failing && s.Journal.States+s.Journal.Tombstones+s.Journal.Again == 0
		for _, shard := range s.Shards {
			believed = believed && shard.State == session.Serving && shard.Quarantine == 0
		}
		if believed && time.Now().After(noticed) {
			return nil
		}
	}
	return errors.New("the store was not trusted within two minutes")
}

// rush lets each visitor come once, evenly over a second. A request that finds no
// free connection waits for one, which counts.
func (c *crowd) rush(ctx context.Context, watch *load.Conn, name string) (*rush, error) {
	one := &rush{name: name}
	before, err := stateOf(watch)
	if err != nil {
		return nil, err
	}
	c.next.Store(0)
	n := int64(len(c.people))
	parts, errs := make([]phase, len(c.conns)), make([]error, len(c.conns)+1)
	began := time.Now()
	var wg sync.WaitGroup
	for i, conn := range c.conns {
		conn.Patience(10 * time.Minute)
		wg.Go(func() {
			for k := c.next.Add(1) - 1; k < n && errs[i] == nil && ctx.Err() == nil; k = c.next.Add(1) - 1 {
				due := began.Add(time.Second * time.Duration(k) / time.Duration(n))
				time.Sleep(time.Until(due))
				errs[i] = c.people[k].come(conn, k%everyTenth == 0, due, &parts[i])
			}
		})
	}
	over := make(chan struct{})
	go func() {
		wg.Wait()
		close(over)
	}()
	errs[len(c.conns)] = one.watch(watch, before, over)
	one.phase = sum(parts)
	one.took = time.Since(began)
	return one, errors.Join(append(errs, ctx.Err())...)
}

// watch notes the most of what is bounded, until over.
func (r *rush) watch(conn *load.Conn, before contestant.Report, over <-chan struct{}) error {
	second, last := time.Now().Add(time.Second), before.Restores
	for done := false; !done; {
		select {
		case <-over:
			done = true
		case <-time.After(20 * time.Millisecond):
		}
		s, err := stateOf(conn)
		if err != nil {
			return err
		}
		r.journal = max(r.journal, s.Journal.Bytes)
		r.goroutines = max(r.goroutines, s.Goroutines)
		if now := time.Now(); done || now.After(second) {
			r.restores = max(r.restores, int(s.Restores-last))
			second, last = now.Add(time.Second), s.Restores
		}
	}
	return nil
}

func (all rushes) text(p plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, rushText, p.rush(), everyTenth, p.mostAtOnce())
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %.1f s | %d | %s | %s | %s | %d KB | %d | %d | %d of %d |\n", r.name, r.took.Seconds(), r.failed,
			micros(r.latency.Quantile(0.5)), micros(r.latency.Quantile(0.99)), micros(r.longest),
			r.journal>>10, r.goroutines, r.restores, r.lost, r.written)
	}
	b.WriteString("\n")
	return b.String()
}

const rushText = `## The busiest hour

Holdfast with a backup on a Redis of its own. %d visitors, each with a session of 300 bytes, come back evenly over one
second, each once; every %dth request writes. They share %d connections, and the time that one waits for a connection
counts. Each answer is checked. The store is well, or has just been started again empty, or is killed as they come.

| the store is | for | failed | p50 | p99 | longest | journal, most | goroutines, most | put back in a second, most | writes lost |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
`
