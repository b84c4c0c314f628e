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

// shoppers holds the simulated shoppers: how many they are, and what they met with.
// Their requests come through the shop's own port, like those of all visitors.
type shoppers struct {
	url    string
	client *http.Client
	pause  time.Duration // between two clicks, on average

	requests, failed, logouts, lost, revived atomic.Int64

	mu       sync.Mutex
	inside   []context.CancelFunc // of each shopper's place
	came     int
	departed []*shopper // the last ones that left without a logout
	old      []*jar     // cookies of before a logout, the last ones
	said     []string   // what went wrong, the first things
	closed   bool
	atTheEnd bool            // no shopper tries old cookies meanwhile
	all      *sync.WaitGroup // of those inside
}

const (
	maxDeparted = 1000
	maxOld      = 50
	maxSaid     = 20
)

// newShoppers returns an empty one. url is the shop's.
func newShoppers(url string) *shoppers {
	return &shoppers{url: url, all: new(sync.WaitGroup), pause: 400 * time.Millisecond, client: &http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: maxShoppers, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errFull = errors.New("shop: no more than 200 shoppers")

// let lets n shoppers in. For each that leaves another comes.
func (g *shoppers) let(n int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	if len(g.inside)+n > maxShoppers {
		return errFull
	}
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		g.inside = append(g.inside, cancel)
		g.all.Go(func() {
			defer cancel()
			for ctx.Err() == nil {
				g.newShopper().visit(ctx)
			}
		})
	}
	return nil
}

func (g *shoppers) newShopper() *shopper {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.came++
	return &shopper{
		group: g, name: fmt.Sprintf("Shopper %d", g.came), jar: newJar(),
		cart: map[string]bool{}, maybe: map[string]bool{},
	}
}

// sendHome ends all visits, and returns when they have ended. More may come
// afterwards.
func (g *shoppers) sendHome() {
	g.mu.Lock()
	for _, cancel := range g.inside {
		cancel()
	}
	going := g.all
	g.inside, g.all = nil, new(sync.WaitGroup)
	g.mu.Unlock()
	going.Wait()
}

func (g *shoppers) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.sendHome()
	g.client.CloseIdleConnections()
}

// size is how many are inside.
func (g *shoppers) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.inside)
}

// think waits until the next click. It returns false when there is none.
func (g *shoppers) think(ctx context.Context) bool {
	t := time.NewTimer(g.pause/2 + rand.N(g.pause+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// leave notes a shopper that closes the tab and never returns. Its cart must be in the
// store all the same.
func (g *shoppers) leave(s *shopper) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.departed = keepLast(g.departed, s, maxDeparted)
}

func (g *shoppers) keepOld(j *jar) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.old = keepLast(g.old, j, maxOld)
}

// tryOld sends the cookies of a shopper who has logged out since. They must not
// open anything.
func (g *shoppers) tryOld(ctx context.Context) {
	g.mu.Lock()
	var j *jar
	if len(g.old) > 0 && !g.atTheEnd {
		j = g.old[rand.IntN(len(g.old))]
	}
	g.mu.Unlock()
	if j != nil {
		g.try(ctx, j)
	}
}

// try sends the cookies of a shopper who has logged out since.
func (g *shoppers) try(ctx context.Context, j *jar) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/user/readonly", nil)
	if err != nil {
		panic(err) // the URL is the listener's
	}
	for _, cookie := range j.cookies() {
		r.AddCookie(cookie)
	}
	w, err := g.client.Do(r)
	if err != nil {
		return
	}
	_ = w.Body.Close()
	if w.StatusCode == http.StatusOK {
		g.revived.Add(1)
		g.complain("the cookies of before a logout are good again")
	}
}

// miss counts what the shop lost.
func (g *shoppers) miss(what string) {
	g.lost.Add(1)
	g.complain("%s", what)
}

func (g *shoppers) complain(format string, a ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.said) < maxSaid {
		g.said = append(g.said, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, a...))
	}
}

// complaints are the first things that went wrong, one a line.
func (g *shoppers) complaints() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.said, "\n")
}

func keepLast[T any](l []T, v T, most int) []T {
	if len(l) >= most {
		l = slices.Delete(l, 0, len(l)-most+1)
	}
	return append(l, v)
}
