package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// Client calls the API of a Handler in another process. Any number of goroutines may use
// it.
type Client struct {
	// URL is the address of the page, such as https://ops.shop.example/admin.
	URL string

	// HTTP sends the requests. Nil means http.DefaultClient.
	HTTP *http.Client

	// Authorize, if not nil, adds to each request the credentials that the page's own check
	// requires.
	Authorize func(*http.Request)
}

// Error is an answer with an error status: the page has refused the request, or could not
// carry it out. errors.Is finds session.ErrNoSession, session.ErrUnavailable and
// errors.ErrUnsupported in it where the status stands for them.
type Error struct {
	Status  int    // of HTTP
	Message string // for people

	page bool // the page has written the answer, and not another program at this address
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (%d %s)", e.Message, e.Status, http.StatusText(e.Status))
}

// Unwrap returns the error of package session that the status stands for, or nil.
func (e *Error) Unwrap() error {
	switch {
	case !e.page:
		return nil
	case e.Status == http.StatusNotFound:
		return session.ErrNoSession
	case e.Status == http.StatusServiceUnavailable:
		return session.ErrUnavailable
	case e.Status == http.StatusNotImplemented:
		return errors.ErrUnsupported
	}
	return nil
}

const mostAnswer = 64 << 20

// Status returns the status of all instances that the page knows.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.get(ctx, "api/status", nil, &s)
}

// Sessions returns the sessions of a user, as session.Manager.Sessions does.
func (c *Client) Sessions(ctx context.Context, user string) (s Sessions, err error) {
	return s, c.get(ctx, "api/sessions", url.Values{"user": {user}}, &s)
}

// Session returns one session, as session.Manager.Open does.
func (c *Client) Session(ctx context.Context, id session.ID) (s Session, err error) {
	return s, c.get(ctx, "api/session", url.Values{"id": {string(id)}}, &s)
}

// End ends one session, as session.Manager.Revoke does. Where no session has the ID the answer
// says so, and is no error.
func (c *Client) End(ctx context.Context, id session.ID) (e Ended, err error) {
	return e, c.post(ctx, "api/end", what{ID: string(id)}, &e)
}

// EndUser ends all sessions of a user, as session.Manager.RevokeUser does.
func (c *Client) EndUser(ctx context.Context, user string) (e Ended, err error) {
	return e, c.post(ctx, "api/end-user", what{User: user}, &e)
}

// EndBefore ends everybody's sessions whose login was at t or before, as
// session.Manager.RevokeBefore does.
func (c *Client) EndBefore(ctx context.Context, t time.Time) (e Ended, err error) {
	return e, c.post(ctx, "api/end-before", what{Before: t}, &e)
}

// SetOrder gives the fleet an order, in the place of the one that stands, and returns it
// as it stands then.
func (c *Client) SetOrder(ctx context.Context, o NewOrder) (stands Order, err error) {
	return stands, c.post(ctx, "api/order", o, &stands)
}

// ClearOrder ends the order that stands.
func (c *Client) ClearOrder(ctx context.Context, reason string) error {
	return c.post(ctx, "api/clear-order", map[string]string{"reason": reason}, new(Order))
}

// Events yields the events that the instance behind the URL still has, and then each new
// one, until ctx ends, the connection breaks or the page ends the stream. An error is the
// last element that it yields.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		answer, err := c.do(ctx, http.MethodGet, "api/events", nil, nil)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var e Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				yield(e, fmt.Errorf("admin: %s: %w", c.URL, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Event{}, fmt.Errorf("admin: %s: %w", c.URL, err))
		}
	}
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	answer, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return c.decode(answer.Body, into)
}

func (c *Client) post(ctx context.Context, path string, asked, into any) error {
	body, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return c.decode(answer.Body, into)
}

func (c *Client) decode(body io.Reader, into any) error {
	if err := json.NewDecoder(io.LimitReader(body, mostAnswer)).Decode(into); err != nil {
		return fmt.Errorf("admin: %s: %w", c.URL, err)
	}
	return nil
}

// do sends a request, and returns an answer with a good status.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	at, err := url.Parse(c.URL)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("admin: %q is no URL of a page; write it like http://127.0.0.1:8080/admin", c.URL)
	}
	at = at.JoinPath(path)
	at.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Authorize != nil {
		c.Authorize(r)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	var said failure
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<10))
	if err != nil || json.Unmarshal(text, &said) != nil || said.Error == "" {
		return nil, &Error{answer.StatusCode, "no answer of the operators' page", false}
	}
	return nil, &Error{answer.StatusCode, strings.TrimPrefix(said.Error, "admin: "), true}
}
