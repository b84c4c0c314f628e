package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/bench/load"
)

// phase is what visitors met for a while.
type phase struct {
	took             time.Duration
	requests, writes int
	failed           int
	latency          load.Histogram
	longest          time.Duration
}

// crowd are many visitors who come one after the other, over few connections.
type crowd struct {
	people []*person
	next   atomic.Int64
	conns  []*load.Conn
}

// person is a visitor who knows what the application has answered.
type person struct {
	mu   sync.Mutex
	jar  load.Jar
	cart int // writes that were acknowledged
}

// everyTenth request of the crowd writes.
const everyTenth = 10

// newCrowd logs so many in.
func newCrowd(p *process, n, conns int) (*crowd, error) {
	c := &crowd{people: make([]*person, n)}
	for i := range c.people {
		c.people[i] = new(person)
	}
	for range conns {
		conn, err := load.Dial(p.addr)
		if err != nil {
			c.leave()
			return nil, err
		}
		c.conns = append(c.conns, conn)
	}
	login := &load.Request{Method: "POST", Path: contestant.Login + "?" + contestant.Shape{Bytes: 300, Keys: 3}.Query(), Want: []byte(`{}`)}
	var wg sync.WaitGroup
	errs := make([]error, conns)
	for i, conn := range c.conns {
		conn.Patience(10 * time.Minute)
		wg.Go(func() {
			for k := i; k < n && errs[i] == nil; k += conns {
				_, errs[i] = conn.Do(&c.people[k].jar, login)
			}
		})
	}
	wg.Wait()
	return c, errors.Join(errs...)
}

func (c *crowd) leave() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// after ends a visit after so long.
func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

// visit lets the crowd come, one after the other, over all connections at once,
// until over says so, which is asked every 20 ms.
func (c *crowd) visit(ctx context.Context, over func() bool) (phase, error) {
	var stop atomic.Bool
	parts := make([]phase, len(c.conns))
	errs := make([]error, len(c.conns))
	start := time.Now()
	var wg sync.WaitGroup
	for i, conn := range c.conns {
		conn.Patience(10 * time.Minute)
		wg.Go(func() {
			for !stop.Load() && errs[i] == nil {
				k := c.next.Add(1)
				errs[i] = c.people[k%int64(len(c.people))].come(conn, k%everyTenth == 0, time.Now(), &parts[i])
			}
		})
	}
	for !over() && ctx.Err() == nil && time.Since(start) < 5*time.Minute {
		time.Sleep(20 * time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	p := sum(parts)
	p.took = time.Since(start)
	return p, errors.Join(append(errs, ctx.Err())...)
}

// sum is what all connections met.
func sum(parts []phase) (p phase) {
	for i := range parts {
		p.requests += parts[i].requests
		p.writes += parts[i].writes
		p.failed += parts[i].failed
		p.longest = max(p.longest, parts[i].longest)
		p.latency.Merge(&parts[i].latency)
	}
	return p
}

var carts = contestant.Carts()

// come sends one request, which was due at a time. An answer with a status of failure is
// counted; any other wrong answer ends the run.
func (one *person) come(conn *load.Conn, writes bool, due time.Time, p *phase) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	route := routes[userRoute]
	if writes {
		route = &load.Request{Method: "POST", Path: contestant.Cart, Want: carts[one.cart%len(carts)]}
		p.writes++
	}
	_, err := conn.Do(&one.jar, route)
	took := time.Since(due)
	p.requests++
	p.latency.Add(took)
	p.longest = max(p.longest, took)
	var status *load.StatusError
	switch {
	case errors.As(err, &status):
		p.failed++
		return nil
	case err == nil && writes:
		one.cart++
	}
	return err
}

// recall asks every visitor that wrote whether the last write is still there.
func (c *crowd) recall() (written, lost int) {
	for _, one := range c.people {
		if one.cart == 0 {
			continue
		}
		written++
		var p phase
		if err := one.come(c.conns[0], true, time.Now(), &p); err != nil || p.failed > 0 {
			lost++
		}
	}
	return written, lost
}
