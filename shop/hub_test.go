package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

func TestTheStreamTellsTheNewsAtOnceAndEndsWithTheShop(t *testing.T) {
	s := start(t, "-addr", "127.0.0.1:0")
	w, err := http.Get(s.url + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if got := w.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got the type %q", got)
	}
	events := bufio.NewScanner(w.Body)
	events.Buffer(nil, 1<<20)
	next := func() (m map[string]string) {
		t.Helper()
		for events.Scan() {
			if data, ok := strings.CutPrefix(events.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &m); err != nil {
					t.Fatal(err)
				}
				return m
			}
		}
		return nil
	}
	first := next()
	for _, part := range append(parts, "condition") {
		if first[part] == "" {
			t.Errorf("the event has no %s", part)
		}
	}
	if a, err := http.PostForm(s.url+"/store/kill", url.Values{}); err != nil {
		t.Fatal(err)
	} else {
		a.Body.Close()
	}
	for deadline := time.Now().Add(timeleft.Within(t, timeleft.Patience)); ; {
		if e := next(); e["condition"] == "dead" && strings.Contains(e["live-notes"], "The store was killed") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the news does not come")
		}
	}
	if exit := s.stop(t); exit != 0 { // as it is where a request does not end
		t.Errorf("got exit status %d: %s", exit, s.stderr.String())
	}
	for next() != nil { // until the stream ends
	}
	if err := events.Err(); err != nil {
		t.Errorf("the stream ends with %v, want its end", err)
	}
}

func TestAHundredLookOnAndNoMore(t *testing.T) {
	s := openLive(t, "memory:")
	ctx, cancel := context.WithCancel(t.Context())
	get := func() *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Body.Close() })
		return w
	}
	for range maxWatchers {
		if w := get(); w.StatusCode != http.StatusOK {
			t.Fatalf("got status %d", w.StatusCode)
		}
	}
	if w := get(); w.StatusCode != http.StatusServiceUnavailable || w.Header.Get("Retry-After") == "" {
		t.Errorf("one more: got status %d, want 503 with Retry-After", w.StatusCode)
	}
	cancel() // all leave, which makes room
	ctx = t.Context()
	s.wait("room", 30*time.Second, func() bool {
		s.panel.hub.mu.Lock()
		defer s.panel.hub.mu.Unlock()
		return len(s.panel.hub.watchers) == 0
	})
	w := get()
	if w.StatusCode != http.StatusOK {
		t.Errorf("afterwards: got status %d, want 200", w.StatusCode)
	}
}

// A watcher that reads nothing holds up no other: the hub drops what it does not
// take.
func TestASlowWatcherHoldsNobodyUp(t *testing.T) {
	h := newHub(func() map[string]string { return map[string]string{"a": "b"} }, func(time.Time) {})
	slow, quick := h.enter(), h.enter()
	for range 5 {
		h.send()
		if got := string(<-quick); got != "data: {\"a\":\"b\"}\n\n" {
			t.Fatalf("got %q", got)
		}
	}
	if len(slow) != 1 {
		t.Errorf("%d events wait for the slow one, want 1", len(slow))
	}
	h.close()
	if _, ok := <-quick; ok {
		t.Error("the stream does not end")
	}
	if h.enter() != nil {
		t.Error("a closed hub lets somebody in")
	}
	h.leave(quick)
}

// The stream of a visitor who is logged out on another device says so, and ends.
func TestAStreamEndsWithTheSessionOfItsPage(t *testing.T) {
	s := openShop(t, withBackup(t))
	v, other := s.loggedIn("Ada"), s.loggedIn("Ada")
	w, err := other.client.Get(s.server.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	v.postJSON("/account/devices/end", `{"id":"`+string(ofOther(v.devices(2)))+`"}`).ok(t, http.StatusNoContent)
	all, err := io.ReadAll(w.Body) // until it ends
	if err != nil || !strings.HasSuffix(string(all), "event: ended\ndata: the session\n\n") {
		t.Errorf("got %q, %v, want an event that says so", all, err)
	}
	if !v.isIn() {
		t.Error("this device is logged out too")
	}
}
