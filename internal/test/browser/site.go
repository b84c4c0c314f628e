package browser

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// Site is a server whose answers a test gives, one request at a time.
type Site struct {
	URL string
	now atomic.Pointer[http.HandlerFunc]
}

// Serve starts a site behind middleware, until the test ends.
func Serve(t testing.TB, wrap func(http.Handler) http.Handler) *Site {
	s := new(Site)
	server := httptest.NewServer(wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*s.now.Load())(w, r)
	})))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Get sends a request by b that h answers.
func (s *Site) Get(b *Browser, h http.HandlerFunc) Answer {
	b.t.Helper()
	s.now.Store(&h)
	return b.Do(http.MethodGet, "")
}
