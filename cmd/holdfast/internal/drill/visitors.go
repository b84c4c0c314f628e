package drill

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"
)

// visitors ask for pages all the time, each with cookies of its own.
type visitors struct {
	number int
	login  string        // what each posts first; empty: nothing
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
// not less than once a second. Each logs in first, where login names a path.
func visit(ctx context.Context, pages []string, each int, login string) *visitors {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // they see the end of an interrupted drill too
	v := &visitors{number: each * len(pages), login: login, pause: min(time.Duration(each)*100*time.Millisecond, time.Second), cancel: cancel}
	for _, page := range pages {
		for range each {
			v.wg.Go(func() { v.one(ctx, page) })
		}
	}
	return v
}

// settle returns when all visitors have sessions, or the error that keeps one from it.
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
	inside := v.login == ""
	for ; ctx.Err() == nil; pauseFor(ctx, v.pause) {
		began := time.Now()
		if !inside {
			if err := enter(ctx, client, page, v.login); err != nil {
				v.count(time.Since(began), err)
				continue
			}
			inside = true
			began = time.Now()
		}
		err := load(ctx, client, page)
		if ctx.Err() == nil {
			v.count(time.Since(began), err)
		}
	}
}

// enter posts the query of a path as a form, to the server of a page.
func enter(ctx context.Context, client *http.Client, page, login string) error {
	base, err := url.Parse(page)
	if err != nil {
		return err
	}
	at, err := base.Parse(login)
	if err != nil {
		return err
	}
	form := at.RawQuery
	at.RawQuery = ""
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(form))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(client, r)
}

// load asks for a page and returns the failure that its visitor would see. A visitor without a
// cookie has no session: such a visit says nothing about a store.
func load(ctx context.Context, client *http.Client, page string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	if err := send(client, r); err != nil {
		return err
	}
	if len(client.Jar.Cookies(r.URL)) == 0 {
		return fmt.Errorf("%s gives its visitors no session; name a page that begins one, let them in by --login, and use https where the cookie is Secure", page)
	}
	return nil
}

func send(client *http.Client, r *http.Request) error {
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s answers %s", r.URL.Path, answer.Status)
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

// stop ends the visits, and waits for them.
func (v *visitors) stop() {
	v.cancel()
	v.wg.Wait()
}
