package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

func TestShoppersAreLetInAndSentHome(t *testing.T) {
	s := openLive(t, "memory:")
	post := func(path, form string, want int) string {
		t.Helper()
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		w, err := http.PostForm(s.url+path, values)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		body, _ := io.ReadAll(w.Body)
		if w.StatusCode != want {
			t.Errorf("%s %s: got status %d, want %d: %s", path, form, w.StatusCode, want, body)
		}
		return string(body)
	}
	for _, n := range []string{"", "0", "-1", "201", "many"} {
		post("/shoppers", "n="+n, http.StatusBadRequest)
	}
	if page := post("/shoppers", "n=3", http.StatusOK); !strings.Contains(page, "3 simulated shoppers came in.") {
		t.Errorf("got %s", page)
	}
	post("/shoppers", "n=198", http.StatusConflict)
	if got := s.panel.shoppers.size(); got != 3 {
		t.Errorf("%d are inside, want 3", got)
	}
	s.wait("requests", 30*time.Second, func() bool { return s.panel.shoppers.requests.Load() > 10 })
	if page := post("/shoppers/home", "", http.StatusOK); !strings.Contains(page, "sent home") {
		t.Errorf("got %s", page)
	}
	if got := s.panel.shoppers.size(); got != 0 {
		t.Errorf("%d are inside, want none", got)
	}
	if f := s.panel.shoppers.failed.Load(); f > 0 {
		t.Errorf("%d requests failed:\n%s", f, s.panel.shoppers.complaints())
	}
}

// The shoppers do notice losses: without a backup their counts are not 0.
func TestWithoutABackupShoppersNoticeThatTheStoreStops(t *testing.T) {
	s := openLive(t, "memory:", func(o *session.Options) {
		o.Backup = nil
		o.ReadTimeout, o.SaveTimeout = time.Second, time.Second // a busy machine is no outage
	})
	c := s.panel.shoppers
	c.pause = 20 * time.Millisecond
	if err := c.let(10); err != nil {
		t.Fatal(err)
	}
	s.wait("requests", 20*time.Second, func() bool { return c.requests.Load() > 200 })
	if n := c.failed.Load() + c.logouts.Load() + c.lost.Load() + c.revived.Load(); n > 0 {
		t.Errorf("while all is well: %s", c.complaints())
	}
	if err := s.process.kill(); err != nil {
		t.Fatal(err)
	}
	s.wait("failed requests", 20*time.Second, func() bool { return c.failed.Load() > 5 })
	if err := s.process.back(); err != nil {
		t.Fatal(err)
	}
	s.wait("logouts", 20*time.Second, func() bool { return c.logouts.Load() > 5 })
}

func TestAShopperNoticesWhatTheShopLoses(t *testing.T) {
	things := func(numbers ...string) (l []thing) {
		for _, n := range numbers {
			l = append(l, thing{Number: n})
		}
		return l
	}
	for _, c := range []struct {
		name        string
		cart, maybe string
		got         []thing
		lost        int64
	}{
		{"all is there", "1 2", "", things("2", "1"), 0},
		{"one is missing", "1 2", "", things("2"), 1},
		{"all are missing", "1 2", "", nil, 2},
		{"one has returned", "1", "", things("1", "2"), 1},
		{"one is there twice", "1", "", things("1", "1"), 1},
		{"one of which nothing is known is there", "1", "2", things("1", "2"), 0},
		{"one of which nothing is known is not there", "1", "2", things("1"), 0},
	} {
		x := newShoppers("").newShopper()
		for _, n := range strings.Fields(c.cart) {
			x.cart[n] = true
		}
		for _, n := range strings.Fields(c.maybe) {
			x.maybe[n] = true
		}
		x.compare(c.got)
		if got := x.group.lost.Load(); got != c.lost {
			t.Errorf("%s: %d lost, want %d", c.name, got, c.lost)
		}
	}
}
