package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/test/host"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/lab/peer"
)

// stage is where an act is played: servers of its own, and all peers on them.
type stage struct {
	plan      plan
	redis     *redistest.Server
	memcached []*memcachedtest.Server
	lines     []*relay.Line // to the servers, where the act makes them slow
	crowds    []*crowd
}

// crowd is the visitors of one peer.
type crowd struct {
	*process
	plan     plan
	tally    *tally
	visitors []*visitor
}

// newStage starts the servers and the peers, waits until all of them are ready, and logs
// the visitors in.
func newStage(ctx context.Context, h *host.Host, p plan, act act, peers []peerOf) (*stage, error) {
	s := &stage{plan: p}
	s.redis = redistest.Start(h, act.redis...)
	for range 3 {
		s.memcached = append(s.memcached, memcachedtest.Start(h))
	}
	servers := s.addresses(h, act.slow)
	for _, x := range peers {
		process, err := start(ctx, x, servers, p.nodeDir)
		if err != nil {
			s.leave()
			return nil, err
		}
		s.crowds = append(s.crowds, s.newCrowd(process))
	}
	err := s.each(func(c *crowd) error {
		if err := c.waitReady(ctx); err != nil {
			return err
		}
		for _, v := range c.visitors {
			if a := v.logIn(ctx); !a.ok() {
				return fmt.Errorf("%s: a login beside a well store was answered %d: %s", c.Name, a.status, c.said)
			}
		}
		return nil
	})
	if err != nil {
		s.leave()
		return nil, err
	}
	return s, nil
}

func (s *stage) newCrowd(p *process) *crowd {
	c := &crowd{process: p, plan: s.plan, tally: &tally{title: p.Title, limit: s.plan.limit}}
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16 * s.plan.visitors},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for i := range s.plan.visitors {
		c.visitors = append(c.visitors, newVisitor(fmt.Sprintf("visitor%d", i), "http://"+p.app, client, s.plan.limit))
	}
	return c
}

// addresses are those of the servers, or of the lines to them.
func (s *stage) addresses(h *host.Host, slow bool) peer.Servers {
	through := func(address string) string {
		if !slow {
			return address
		}
		line := relay.NewLine(h, address)
		s.lines = append(s.lines, line)
		return line.Addr()
	}
	servers := peer.Servers{Redis: through(s.redis.Addr())}
	for _, m := range s.memcached {
		servers.Memcached = append(servers.Memcached, through(m.Addr))
	}
	return servers
}

// delay makes all servers take so much longer.
func (s *stage) delay(d time.Duration) {
	for _, line := range s.lines {
		line.Delay(d)
	}
}

// each runs f for all peers at once, and returns the first error.
func (s *stage) each(f func(*crowd) error) error {
	errs := make([]error, len(s.crowds))
	each(s.crowds, func(i int, c *crowd) { errs[i] = f(c) })
	return first(errs)
}

// eachVisitor runs f for all visitors of all peers at once.
func (s *stage) eachVisitor(f func(*crowd, int, *visitor)) {
	each(s.crowds, func(_ int, c *crowd) {
		each(c.visitors, func(i int, v *visitor) { f(c, i, v) })
	})
}

// each runs f for all elements at once, and returns when all have returned.
func each[E any](of []E, f func(int, E)) {
	var all sync.WaitGroup
	for i, e := range of {
		all.Go(func() { f(i, e) })
	}
	all.Wait()
}

// first returns the first error that there is.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) leave() {
	for _, c := range s.crowds {
		c.close()
	}
}
