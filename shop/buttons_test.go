package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
)

// Each button, pressed as a browser without JavaScript does it, and what a
// client of the store then sees.
func TestEachButtonDoesWhatItSays(t *testing.T) {
	for _, address := range []string{"memory:", "spawn:memcached", "spawn:redis"} {
		t.Run(address, func(t *testing.T) {
			s := openLive(t, address)
			store := s.backend.store
			ctx := func(d time.Duration) context.Context {
				ctx, cancel := context.WithTimeout(t.Context(), d)
				t.Cleanup(cancel)
				return ctx
			}
			id := session.ID("a-session")
			save := func() {
				t.Helper()
				r := session.Record{Data: []byte("bread"), Expires: time.Now().Add(time.Hour)}
				s.wait("a save", 30*time.Second, func() bool {
					_, err := store.Save(ctx(time.Second), id, r, session.Any)
					return err == nil
				})
			}
			holds := func(want bool) {
				t.Helper()
				s.wait("an answer", 30*time.Second, func() bool {
					_, err := store.Load(ctx(time.Second), id)
					if (err == nil) == want && (want || errors.Is(err, session.ErrNotFound)) {
						return true
					}
					if err == nil || errors.Is(err, session.ErrNotFound) {
						t.Fatalf("got %v, want the session there: %v", err, want)
					}
					return false
				})
			}
			silent := func() {
				t.Helper()
				began := time.Now()
				_, err := store.Load(ctx(300*time.Millisecond), id)
				if err == nil || errors.Is(err, session.ErrNotFound) || time.Since(began) < 300*time.Millisecond {
					t.Errorf("got %v after %v, want no answer until the deadline", err, time.Since(began))
				}
			}
			refuses := func() {
				t.Helper()
				s.wait("a refusal", 30*time.Second, func() bool {
					began := time.Now()
					_, err := store.Load(ctx(5*time.Second), id)
					return err != nil && !errors.Is(err, session.ErrNotFound) && time.Since(began) < time.Second
				})
			}
			is := func(want condition) {
				t.Helper()
				if got := s.process.condition(); got != want {
					t.Errorf("the store is %s, want %s", got, want)
				}
			}

			untold := func(before []note, what string) {
				t.Helper()
				for _, n := range s.panel.events.read() {
					if strings.Contains(n.Text, "was killed") || strings.Contains(n.Text, "was frozen") {
						if !slices.Contains(before, n) {
							t.Errorf("%s: the page says that %q", what, n.Text)
						}
					}
				}
			}

			save()
			s.press("/store/freeze", "The store was frozen")
			is(frozen)
			silent()
			told := s.panel.events.read()
			s.press("/store/freeze", "The store was frozen") // again changes nothing
			untold(told, "freeze a frozen store")
			silent()
			s.press("/store/back", "The store was thawed")
			is(running)
			holds(true)
			s.press("/store/back", "The store runs.")
			holds(true)
			s.press("/store/restart", "started again, empty")
			is(running)
			holds(false)
			save()
			s.press("/store/kill", "The store was killed")
			is(dead)
			refuses()
			told = s.panel.events.read()
			s.press("/store/freeze", "") // there is nothing to freeze
			is(dead)
			s.press("/store/kill", "The store was killed")
			untold(told, "freeze and kill a dead store")
			refuses()
			s.press("/store/back", "The store was started again, empty.")
			is(running)
			holds(false)
			save()
			s.press("/store/freeze", "The store was frozen")
			s.press("/store/kill", "The store was killed") // a frozen one too
			is(dead)
			refuses()
			s.press("/store/restart", "started again, empty")
			holds(false)
			save()
			s.press("/store/freeze", "The store was frozen")
			s.press("/store/restart", "started again, empty")
			is(running)
			holds(false)
		})
	}
}

// press presses, and wants the page to tell.
func (s *liveShop) press(path, told string) {
	s.t.Helper()
	w, err := http.PostForm(s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close()
	page, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != http.StatusOK || !strings.Contains(string(page), told) {
		s.t.Fatalf("%s: got status %d, %v, want a page that says %q: %s", path, w.StatusCode, err, told, page)
	}
}

func TestAStoreOfOthersHasNoButtons(t *testing.T) {
	for _, address := range []string{redistest.Start(t).URL(), memcachedScheme + memcachedtest.Start(t).Addr} {
		s := openLive(t, address)
		if s.process != nil {
			t.Fatalf("%s is the shop's to stop", address)
		}
		page := getPage(t, s.url)
		if strings.Contains(page, "/store/") || !strings.Contains(page, "The store answers.") {
			t.Errorf("got %s", page)
		}
		for _, path := range []string{"kill", "freeze", "restart", "back"} {
			w, err := http.PostForm(s.url+"/store/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.Body.Close()
			if w.StatusCode != http.StatusNotFound {
				t.Errorf("%s: got status %d, want 404", path, w.StatusCode)
			}
		}
	}
}

func TestTheButtonsAreForWhoSitsAtTheMachine(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	elsewhere := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080}
	for _, c := range []struct {
		name   string
		local  net.Addr
		host   string
		header string
		public bool
		want   int
		more   http.Header
		minor  int // of HTTP/1
	}{
		{"here", here, "127.0.0.1:8080", "", false, 303, nil, 1},
		{"here by name", here, "localhost:8080", "", false, 303, nil, 1},
		{"here on IPv6", &net.TCPAddr{IP: net.IPv6loopback}, "[::1]:8080", "", false, 303, nil, 1},
		{"from the network", elsewhere, "192.0.2.1:8080", "", false, 403, nil, 1},
		{"from the network, as if here", elsewhere, "localhost:8080", "", false, 403, nil, 1},
		{"another site under a name that leads here", here, "evil.test:8080", "", false, 403, nil, 1},
		{"through a proxy", here, "shop.test", "", false, 403, nil, 1},
		{"another site", here, "127.0.0.1:8080", "cross-site", false, 403, nil, 1},
		{"from the network, where all may", elsewhere, "192.0.2.1:8080", "", true, 303, nil, 1},
		{"through a proxy that makes up the Host", here, "127.0.0.1:8080", "", false, 403, http.Header{"X-Forwarded-For": {"192.0.2.7"}}, 1},
		{"the same, with the standard's header", here, "127.0.0.1:8080", "", false, 403, http.Header{"Forwarded": {"for=192.0.2.7"}}, 1},
		{"the same, with an empty header", here, "127.0.0.1:8080", "", false, 403, http.Header{"X-Forwarded-Proto": {""}}, 1},
		{"the same, with a header of its own", here, "127.0.0.1:8080", "", false, 403, http.Header{"X-Forwarded-Whatever": {"1"}}, 1},
		{"the same, with X-Real-IP", here, "127.0.0.1:8080", "", false, 403, http.Header{"X-Real-Ip": {"192.0.2.7"}}, 1},
		{"the same, with Via", here, "127.0.0.1:8080", "", false, 403, http.Header{"Via": {"1.1 cache"}}, 1},
		{"the same, with a CDN's header", here, "127.0.0.1:8080", "", false, 403, http.Header{"Cf-Connecting-Ip": {"192.0.2.7"}}, 1},
		{"the same, which adds nothing, in HTTP/1.0", here, "127.0.0.1:8080", "", false, 403, nil, 0},
		{"the same, which adds nothing, for a browser elsewhere", here, "127.0.0.1:8080", "same-origin", false, 403, http.Header{"Origin": {"https://shop.test"}}, 1},
		{"a browser here", here, "127.0.0.1:8080", "same-origin", false, 303, http.Header{"Origin": {"http://127.0.0.1:8080"}}, 1},
		{"through a proxy, where all may", here, "127.0.0.1:8080", "", true, 303, http.Header{"X-Forwarded-For": {"192.0.2.7"}}, 1},
		{"another site, where all may", elsewhere, "192.0.2.1:8080", "cross-site", true, 403, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory()
			panel := newPanel(backend{m, "memory:", m, func() {}}, config{public: c.public, noBackup: true})
			sessions, err := session.New(m, nil)
			if err != nil {
				t.Fatal(err)
			}
			shop := newShop(sessions, panel, slog.New(slog.DiscardHandler))
			ask := func(method, path string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, path, nil)
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, c.local))
				r.Host = c.host
				maps.Copy(r.Header, c.more)
				r.Header.Set("Sec-Fetch-Site", c.header)
				r.ProtoMinor = c.minor
				w := httptest.NewRecorder()
				shop.ServeHTTP(w, r)
				return w
			}
			if got := ask("POST", "/store/kill").Code; got != c.want {
				t.Errorf("got status %d, want %d", got, c.want)
			}
			if got := m.condition() == dead; got != (c.want == 303) {
				t.Errorf("the store is %s", m.condition())
			}
			shows := strings.Contains(ask("GET", "/").Body.String(), "/store/kill")
			if c.header != "cross-site" && shows != (c.want == 303) {
				t.Errorf("the page shows the buttons: %v", shows)
			}
		})
	}
}

func getPage(t *testing.T, url string) string {
	t.Helper()
	w, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
