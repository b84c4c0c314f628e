// Package shopfront holds each web framework to what the small shop of examples/routers
// and fibersession promises its visitors: what a handler changes is saved and its cookie
// sent, or the answer is an error alone.
package shopfront

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/browser"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// Shop is a shop on a real server, over a store that fails on request.
type Shop struct {
	T        *testing.T
	URL      string // set by the test, which serves the shop
	Store    *storetest.Faulty
	Sessions *session.Manager

	// Theme is the name of a cookie that middleware further out sets on each answer,
	// or "".
	Theme string

	// Check, if not nil, is called with each answer.
	Check func(request string, a browser.Answer)

	Transport http.Transport // the visitors' connections

	mu   sync.Mutex
	lost []error // what Hooks.Dropped was told
}

// New returns a shop that is not served yet. Its Manager is closed when the test ends.
func New(t *testing.T, backup *session.Backup) *Shop {
	t.Helper()
	s := &Shop{T: t, Store: storetest.NewFaulty(memstore.New(nil))}
	var err error
	s.Sessions, err = session.New(s.Store, &session.Options{
		Cookie: session.Cookie{Insecure: true}, Backup: backup,
		ReadTimeout: 10 * time.Second, SaveTimeout: 10 * time.Second,
		Hooks: session.Hooks{Dropped: func(_ context.Context, _ session.ID, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lost = append(s.lost, err)
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Sessions.Close(t.Context()) })
	return s
}

// Lost returns what Hooks.Dropped was told so far.
func (s *Shop) Lost() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lost)
}

// WantLost asks that Hooks.Dropped was told of want alone; for nil, of nothing.
func (s *Shop) WantLost(want error) {
	s.T.Helper()
	lost := s.Lost()
	if want == nil && lost == nil {
		return
	}
	if len(lost) != 1 || !errors.Is(lost[0], want) {
		s.T.Errorf("Hooks.Dropped was told %v, want %v", lost, want)
	}
}

// Visitor is a browser in the shop.
type Visitor struct {
	*browser.Browser
	Shop *Shop
}

// Visitor returns a visitor without cookies.
func (s *Shop) Visitor() *Visitor {
	b := browser.New(s.T, s.URL)
	b.Client.Transport = &s.Transport
	return &Visitor{b, s}
}

// Do sends a request.
func (v *Visitor) Do(method, path string) browser.Answer {
	v.Shop.T.Helper()
	a := v.Browser.Do(method, path)
	if v.Shop.Check != nil {
		v.Shop.Check(method+" "+path, a)
	}
	return a
}

// Want sends a request and says what its answer must be.
func (v *Visitor) Want(method, path string, status int, body string) {
	v.Shop.T.Helper()
	a := v.Do(method, path)
	if a.Status != status || a.Body != body {
		v.Shop.T.Errorf("%s %s: %d %q, want %d %q", method, path, a.Status, a.Body, status, body)
	}
}

// Cookies returns the cookies of the session.
func (v *Visitor) Cookies() []*http.Cookie {
	return slices.DeleteFunc(v.Browser.Cookies(), func(c *http.Cookie) bool { return c.Name == v.Shop.Theme })
}

// Refused sends a request whose answer must be an error alone: the status, no cookie
// of the session, and nothing of what the handler would have sent.
func (v *Visitor) Refused(method, path string, status int) browser.Answer {
	t := v.Shop.T
	t.Helper()
	before := v.Cookies()
	a := v.Do(method, path)
	if a.Status != status {
		t.Errorf("%s %s: status %d, want %d", method, path, a.Status, status)
	}
	if again := a.Header.Get("Retry-After"); (again != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("%s %s: %d with Retry-After %q", method, path, a.Status, again)
	}
	same := func(a, b *http.Cookie) bool { return a.Name == b.Name && a.Value == b.Value }
	lines := slices.DeleteFunc(slices.Clone(a.Header["Set-Cookie"]), func(line string) bool {
		return v.Shop.Theme != "" && strings.HasPrefix(line, v.Shop.Theme+"=")
	})
	if !slices.EqualFunc(before, v.Cookies(), same) || len(lines) != 0 {
		t.Errorf("%s %s: the answer sets cookies: %q", method, path, lines)
	}
	for _, text := range []string{"tofu", "added", "paid", "one", "refused"} {
		if strings.Contains(a.Body, text) {
			t.Errorf("%s %s: the body is %q", method, path, a.Body)
		}
	}
	return a
}
