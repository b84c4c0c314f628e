// Package etcd is a client of etcd's JSON gateway, with the few calls that a switch and
// a monitor need: client.go sends a call to the endpoint that answers, keys.go reads
// and writes keys, watch.go waits for changes.
package etcd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// mostAnswer is how much of an answer is read.
const mostAnswer = 4 << 20

// Options are where etcd is and what it wants to know.
type Options struct {
	Endpoints []string     // "http://host:2379"
	Client    *http.Client // nil: one of the Client's own
	User      string       // empty: no authentication
	Password  string
}

// Client calls the members of one cluster. It may be shared.
type Client struct {
	o    Options
	http *http.Client

	mu    sync.Mutex
	first int    // the endpoint that answered last
	token string // of the user
}

// New returns a Client that has not called yet. It refuses endpoints that are no URLs of
// a server alone.
func New(o Options) (*Client, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("etcd: no endpoints; name one, like http://127.0.0.1:2379")
	}
	for _, endpoint := range o.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || !isServer(u) {
			// The text is not quoted: there may be a password in it.
			return nil, errors.New("etcd: an endpoint is no http://host:port or https://host:port")
		}
	}
	c := &Client{o: o, http: o.Client}
	if c.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.Proxy = nil // an order does not come by way of a third machine
		c.http = &http.Client{Transport: transport}
	}
	return c, nil
}

// isServer reports whether u names a server and nothing on it.
func isServer(u *url.URL) bool {
	web := u.Scheme == "http" || u.Scheme == "https"
	bare := u.User == nil && u.RawQuery == "" && u.Fragment == "" && strings.Trim(u.Path, "/") == ""
	return web && u.Host != "" && bare
}

// Close ends idle connections. Calls still work.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer of etcd that says why not.
type Error struct {
	Status  int // of HTTP
	Message string
}

func (e *Error) Error() string { return "etcd: " + e.Message }

// call sends a request to the endpoints in turn until one answers, beginning with the
// endpoint that answered last. Each of them has its share of the time until ctx ends. A
// call that may have been carried out is sent again, so a write must compare.
func (c *Client) call(ctx context.Context, path string, in, out any) error {
	c.mu.Lock()
	first := c.first
	c.mu.Unlock()
	var failures []error
	n := len(c.o.Endpoints)
	for i := range n {
		at := (first + i) % n
		limited, cancel := share(ctx, n-i)
		err := c.callAt(limited, at, path, in, out)
		cancel()
		if err == nil {
			c.mu.Lock()
			c.first = at
			c.mu.Unlock()
			return nil
		}
		failures = append(failures, err)
		if refused := (*Error)(nil); errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
			break // every member would say so
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// share returns a context with a fair part of the time until ctx ends, where n endpoints
// are still to be asked.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, 2*time.Second)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(n))
}

// callAt sends a request to one endpoint, and once more where the user's token is missing
// or has expired.
func (c *Client) callAt(ctx context.Context, at int, path string, in, out any) error {
	for attempt := 1; ; attempt++ {
		answer, err := c.post(ctx, at, path, in)
		if err == nil {
			defer func() { _ = answer.Body.Close() }()
			return decode(io.LimitReader(answer.Body, mostAnswer), out)
		}
		if attempt > 1 || c.o.User == "" || !wantsUser(err) {
			return err
		}
		if err := c.authenticate(ctx, at); err != nil {
			return err
		}
	}
}

// post sends a request to one endpoint. The caller closes the body of the answer.
func (c *Client) post(ctx context.Context, at int, path string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	endpoint := strings.TrimRight(c.o.Endpoints[at], "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	c.mu.Lock()
	token := c.token
	c.mu.Unlock()
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // it names the path too
		}
		return nil, fmt.Errorf("etcd: %s: %w", endpoint, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	var refusal struct{ Message string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, mostAnswer)).Decode(&refusal) // the status says enough
	if refusal.Message == "" {
		refusal.Message = "HTTP " + answer.Status
	}
	return nil, &Error{answer.StatusCode, refusal.Message}
}

// wantsUser reports whether etcd asks for a token, or for another one.
func wantsUser(err error) bool {
	refused := (*Error)(nil)
	if !errors.As(err, &refused) {
		return false
	}
	return refused.Status == http.StatusUnauthorized || strings.Contains(refused.Message, "user name is empty")
}

func (c *Client) authenticate(ctx context.Context, at int) error {
	c.mu.Lock()
	c.token = "" // a call with a token that has expired is refused
	c.mu.Unlock()
	answer, err := c.post(ctx, at, "/v3/auth/authenticate", struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}{c.o.User, c.o.Password})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	var said struct{ Token string }
	if err := decode(io.LimitReader(answer.Body, mostAnswer), &said); err != nil {
		return err
	}
	c.mu.Lock()
	c.token = said.Token
	c.mu.Unlock()
	return nil
}

func decode(r io.Reader, out any) error {
	if err := json.NewDecoder(r).Decode(out); err != nil {
		return fmt.Errorf("etcd: the answer: %w", err)
	}
	return nil
}
