package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/redistest"
)

// A visit that goes back and forth between the two programs.
func TestOneVisitThroughBothPrograms(t *testing.T) {
	srv := redistest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	site, done := make(chan string, 1), make(chan error, 1)
	go func() {
		err := run(ctx, "127.0.0.1:0", srv.URL(), "keyboard cat", func(url string) { site <- url })
		close(site)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	base, ok := <-site
	if !ok {
		t.FailNow()
	}
	for tries := 1; !visited(t, base); tries++ {
		if tries == 20 {
			t.Fatal("each visit met a store that was too slow for this machine's load")
		}
	}
}

// visited reports whether a visit came to its end: on a busy machine the store may be too
// slow for its time, and then nobody knows whether it has what was written.
func visited(t *testing.T, base string) bool {
	t.Helper()
	slow := false
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar}
	defer client.CloseIdleConnections()
	visit := func(method, path string, form url.Values, want ...string) {
		t.Helper()
		if slow {
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := client.Do(req) // follows to the page that the answer names
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if slow = resp.StatusCode == http.StatusServiceUnavailable; slow {
			return
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d, %v: %s", method, path, resp.StatusCode, err, body)
		}
		for _, text := range want {
			without := strings.TrimPrefix(text, "!")
			if strings.Contains(string(body), without) == (text != without) {
				t.Errorf("%s %s: got %s, want %q in it", method, path, body, text)
			}
		}
	}
	visit("GET", "/", nil, "This page is Express", "Log in")
	visit("POST", "/login", url.Values{"user": {"Ada"}}, "Hello, Ada")
	visit("GET", "/cart", nil, "This page is Go", "The cart of Ada", "!tea:")
	visit("POST", "/cart/tea", nil, "This page is Express", "tea: 1")
	visit("POST", "/cart/tea", nil, "tea: 2")
	visit("GET", "/cart", nil, "tea: 2")
	visit("POST", "/login", url.Values{"user": {"Grace"}}, "Hello, Grace", "!tea:") // regenerate drops the values
	visit("POST", "/logout", nil, "This page is Express", "Log in", "!Grace")
	visit("GET", "/cart", nil, "a guest")
	return !slow
}
