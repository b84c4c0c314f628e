package drill

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"time"
)

// visitors ask for pages all the time, each with cookies of its own.
type visitors struct {
	number int
	pause  time.Duration // of each, between two visits
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards all below
	visits  int
	bad     int
	why     error // of the first that failed
	slowest time.Duration
}

// visit sends so many visitors to each page. The more there are, the less often each comes, but
// not less than once a second.
func visit(ctx context.Context, pages []string, each int) *visitors {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // they see the end of an interrupted drill too
	v := &visitors{number: each * len(pages), pause: min(time.Duration(each)*100*time.Millisecond, time.Second), cancel: cancel}
	for _, page := range pages {
		for range each {
			v.wg.Go(func() { v.one(ctx, page) })
		}
	}
	return v
}

// settle returns when the visitors have their sessions, or why that does not go well.
func (v *visitors) settle(ctx context.Context, patience time.Duration) error {
	for end := time.Now().Add(patience); ; pauseFor(ctx, pace) {
		v.mu.Lock()
		visits, why := v.visits, v.why
		v.mu.Unlock()
		switch {
		case why != nil:
			return fmt.Errorf("drill: a visit fails without any drill: %w", why)
		case visits >= 3*v.number:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(end):
			return fmt.Errorf("drill: the pages do not answer within %v", patience)
		}
	}
}

func (v *visitors) one(ctx context.Context, page string) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.count(0, err)
		return
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport, Timeout: 5 * time.Second}
	for ; ctx.Err() == nil; pauseFor(ctx, v.pause) {
		began := time.Now()
		err := load(ctx, client, page)
		if ctx.Err() == nil {
			v.count(time.Since(began), err)
		}
	}
}

// load asks for a page and returns why the visitor would not be content.
func load(ctx context.Context, client *http.Client, page string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s answers %s", page, answer.Status)
	}
	return nil
}

func (v *visitors) count(took time.Duration, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.visits++
	v.slowest = max(v.slowest, took)
	if err != nil {
		v.bad++
		if v.why == nil {
			v.why = err
		}
	}
}

func (v *visitors) failed() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bad
}

func (v *visitors) first() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.why
}

// stop sends the visitors home.
func (v *visitors) stop() {
	v.cancel()
	v.wg.Wait()
}
