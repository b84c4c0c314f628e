package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Visitor is a connection and the client that uses it.
type Visitor struct {
	Conn *Conn
	Jar  *Jar
}

// Arrive connects so many visitors without cookies to a server.
func Arrive(addr string, n int) (Visitors, error) {
	all := make(Visitors, 0, n)
	for range n {
		c, err := Dial(addr)
		if err != nil {
			all.Leave()
			return nil, err
		}
		all = append(all, Visitor{c, &Jar{}})
	}
	return all, nil
}

// Visitors use a server at once.
type Visitors []Visitor

// Leave closes their connections.
func (v Visitors) Leave() {
	for _, one := range v {
		one.Conn.Close()
	}
}

// Each lets every visitor ask once, one after the other.
func (v Visitors) Each(r *Request) error {
	for _, one := range v {
		one.Conn.Patience(time.Minute)
		if _, err := one.Conn.Do(one.Jar, r); err != nil {
			return err
		}
	}
	return nil
}

// Slice is what a closed loop came to.
type Slice struct {
	Requests int     // all of them
	Rate     float64 // a second
	Latency  Histogram
}

// Loop lets every visitor ask for r again as soon as the answer is here, for
// so long. The first wrong answer ends it.
func (v Visitors) Loop(ctx context.Context, r *Request, length time.Duration) (Slice, error) {
	var (
		begin = make(chan struct{})
		over  atomic.Bool
		each  = make([]counter, len(v))
		wg    sync.WaitGroup
	)
	for i, one := range v {
		one.Conn.Patience(length + 30*time.Second)
		wg.Go(func() {
			<-begin
			each[i].err = each[i].loop(one, r, length, &over)
			if each[i].err != nil {
				over.Store(true)
			}
		})
	}
	stop := context.AfterFunc(ctx, func() { over.Store(true) })
	defer stop()
	close(begin)
	wg.Wait()
	var s Slice
	err := ctx.Err()
	for i := range each {
		s.Requests += int(each[i].latency.Total())
		s.Rate += float64(each[i].latency.Total()) / each[i].took.Seconds()
		s.Latency.Merge(&each[i].latency)
		err = errors.Join(err, each[i].err)
	}
	return s, err
}

// counter is what one connection did. Each has its own rate, until its own last
// answer: where answers are slow, and come together, a common end would count
// too many of them or too few.
type counter struct {
	took    time.Duration
	latency Histogram
	err     error
}

func (c *counter) loop(v Visitor, r *Request, length time.Duration, over *atomic.Bool) error {
	start := time.Now()
	for last := start; ; {
		if _, err := v.Conn.Do(v.Jar, r); err != nil {
			return err
		}
		now := time.Now()
		c.latency.Add(now.Sub(last))
		last = now
		if c.took = now.Sub(start); c.took > length || over.Load() {
			return nil
		}
	}
}
