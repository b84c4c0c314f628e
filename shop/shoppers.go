package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const maxShoppers = 200

// crowd is the simulated shoppers: how many they are, and what they met with.
// They come through the shop's own port, as anybody does.
type crowd struct {
	url    string
	client *http.Client
	pause  time.Duration // between two clicks, on average

	requests, failed, logouts, lost, revived atomic.Int64

	mu       sync.Mutex
	inside   []context.CancelFunc // of each shopper's place
	came     int
	departed []*shopper // those who left without a word, the last ones
	old      []*jar     // cookies of before a logout, the last ones
	said     []string   // what went wrong, the first things
	closed   bool
	all      *sync.WaitGroup // of those inside
}

const (
	maxDeparted = 1000
	maxOld      = 50
	maxSaid     = 20
)

// newCrowd returns an empty one. url is the shop's.
func newCrowd(url string) *crowd {
	return &crowd{url: url, all: new(sync.WaitGroup), pause: 400 * time.Millisecond, client: &http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: maxShoppers, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errCrowded = errors.New("shop: no more than 200 shoppers")

// let lets n shoppers in. For each that leaves another comes.
func (c *crowd) let(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if len(c.inside)+n > maxShoppers {
		return errCrowded
	}
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		c.inside = append(c.inside, cancel)
		c.all.Go(func() {
			defer cancel()
			for ctx.Err() == nil {
				c.newShopper().visit(ctx)
			}
		})
	}
	return nil
}

func (c *crowd) newShopper() *shopper {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came++
	return &shopper{
		crowd: c, name: fmt.Sprintf("Shopper %d", c.came), jar: newJar(),
		cart: map[string]bool{}, maybe: map[string]bool{},
	}
}

// sendHome ends all visits, and returns when they have ended. More may come
// afterwards.
func (c *crowd) sendHome() {
	c.mu.Lock()
	for _, cancel := range c.inside {
		cancel()
	}
	going := c.all
	c.inside, c.all = nil, new(sync.WaitGroup)
	c.mu.Unlock()
	going.Wait()
}

func (c *crowd) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.sendHome()
	c.client.CloseIdleConnections()
}

// size is how many are inside.
func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.inside)
}

// think waits until the next click. It returns false when there is none.
func (c *crowd) think(ctx context.Context) bool {
	t := time.NewTimer(c.pause/2 + rand.N(c.pause+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// leave is for shoppers who close the tab and never return. What they had in
// the cart must be in the store even so.
func (c *crowd) leave(s *shopper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.departed = keepLast(c.departed, s, maxDeparted)
}

func (c *crowd) keepOld(j *jar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.old = keepLast(c.old, j, maxOld)
}

// tryOld asks with the cookies of somebody who has logged out since. They must
// not be good for anything.
func (c *crowd) tryOld(ctx context.Context) {
	c.mu.Lock()
	var j *jar
	if len(c.old) > 0 {
		j = c.old[rand.IntN(len(c.old))]
	}
	c.mu.Unlock()
	if j == nil {
		return
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/user/readonly", nil)
	if err != nil {
		panic(err) // the URL is the listener's
	}
	for _, cookie := range j.cookies() {
		r.AddCookie(cookie)
	}
	w, err := c.client.Do(r)
	if err != nil {
		return
	}
	_ = w.Body.Close()
	if w.StatusCode == http.StatusOK {
		c.revived.Add(1)
		c.complain("the cookies of before a logout are good again")
	}
}

// miss counts what the shop lost.
func (c *crowd) miss(what string) {
	c.lost.Add(1)
	c.complain("%s", what)
}

func (c *crowd) complain(format string, a ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.said) < maxSaid {
		c.said = append(c.said, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, a...))
	}
}

// complaints are the first things that went wrong, one a line.
func (c *crowd) complaints() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.said, "\n")
}

func keepLast[T any](l []T, v T, most int) []T {
	if len(l) >= most {
		l = slices.Delete(l, 0, len(l)-most+1)
	}
	return append(l, v)
}
