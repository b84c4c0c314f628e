package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// What the backup costs in bytes of headers. The figures are in docs/COOKIES.md.
func TestAUserOf5KBFitsTheBackup(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*session.Options)
		most   int // of the Cookie line, in bytes
		whole  bool
	}{
		{"without a backup", func(o *session.Options) { o.Backup = nil }, 100, true},
		{"on defaults", func(*session.Options) {}, 2100, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			partial := 0
			s := openLive(t, "memory:", c.change, func(o *session.Options) {
				o.ReadTimeout, o.SaveTimeout = time.Minute, time.Minute
				// The message of the last click, of rank 0, may stay behind.
				o.Hooks.Backup = func(_ context.Context, _ session.ID, f session.BackupFault, err error) {
					if f == session.BackupPartial && strings.Contains(fmt.Sprint(err), "user") {
						partial++
					}
				}
			})
			x := newShoppers(s.url).newShopper()
			lines := func(method, path, body string) (sent, got int, text string) {
				t.Helper()
				r := x.request(t.Context(), method, path, body)
				if body != "" {
					r.Header.Set("Content-Type", jsonType)
				}
				for _, c := range x.jar.cookies() {
					r.AddCookie(c)
				}
				sent = len(r.Header.Get("Cookie"))
				w, err := x.group.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				w.Body.Close()
				if w.StatusCode != http.StatusOK {
					t.Fatalf("%s %s: status %d", method, path, w.StatusCode)
				}
				for _, line := range w.Header["Set-Cookie"] {
					got += len("Set-Cookie: \r\n") + len(line)
				}
				x.jar.keep(w.Cookies())
				return sent, got, fmt.Sprintf("Cookie %d bytes, Set-Cookie %d bytes", sent, got)
			}
			var item = `{"sku":"rye","name":"Rye bread","cents":320}`
			_, _, login := lines("POST", "/login", `{"name":"Ada"}`)
			t.Log("login:               ", login)
			for range 3 {
				lines("POST", "/user/shoppingcart", item)
			}
			sent, got, read := lines("GET", "/user", "")
			t.Log("read, 3 in the cart: ", read)
			if sent > c.most || got != 0 {
				t.Errorf("a read has %s, want a Cookie of at most %d and no Set-Cookie", read, c.most)
			}
			_, _, write := lines("POST", "/user/shoppingcart", item)
			t.Log("write, 4 in the cart:", write)
			for range 26 {
				lines("POST", "/user/shoppingcart", item)
			}
			sent, _, read = lines("GET", "/user", "")
			t.Log("read, 30 in the cart:", read)
			if sent > c.most {
				t.Errorf("a read has %s, want at most %d", read, c.most)
			}
			if c.whole != (partial == 0) {
				t.Errorf("%d backups lacked the user", partial)
			}
		})
	}
}

// Shoppers hold up to five things, each different, log in again during an outage, and must
// not notice it: neither their user nor their cart may be left out of a copy. A cart of four is
// the largest, since it is too short to be compressed. A store that is frozen leaves saves
// of which nobody knows whether they happened, and a copy names them: there is room for these.
func TestTheCartsOfShoppersFitTheBackupBesideTheirUsers(t *testing.T) {
	const spare = 192
	s := openLive(t, "memory:", func(o *session.Options) {
		o.ReadTimeout, o.SaveTimeout = time.Minute, time.Minute
		o.Backup.Copy = 2048 - spare
		o.Hooks.Backup = func(_ context.Context, _ session.ID, f session.BackupFault, err error) { t.Errorf("%v: %v", f, err) }
	})
	all := make([]*shopper, 200)
	for i := range all {
		x := s.panel.shoppers.newShopper()
		if !x.login(t.Context()) {
			t.Fatal("no login")
		}
		for x.next = 1000; len(x.cart) < maxThings-i%2; {
			x.add(t.Context())
		}
		all[i] = x
	}
	if err := s.process.kill(); err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		for range maxAgain {
			x.login(t.Context())
		}
		x.look(t.Context())
		x.remove(t.Context()) // which leaves a message
	}
	if n := s.panel.shoppers.failed.Load() + s.panel.shoppers.lost.Load(); n > 0 {
		t.Errorf("%d failures: %s", n, s.panel.shoppers.complaints())
	}
}

// A cart that does not fit the cookies is in the store only. The page says so, and the
// visitor stays logged in.
func TestACartThatIsTooLargeForTheBackup(t *testing.T) {
	s := openLive(t, "memory:")
	x := s.panel.shoppers.newShopper()
	visit := func(want int, method, path, kind, body string) string {
		t.Helper()
		r := x.request(t.Context(), method, path, body)
		r.Header.Set("Content-Type", kind)
		if path == "/" {
			r.Header.Set("Accept", "text/html")
		}
		for _, c := range x.jar.cookies() {
			r.AddCookie(c)
		}
		w, err := x.group.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		answer, err := io.ReadAll(w.Body)
		if err != nil || w.StatusCode != want {
			t.Fatalf("%s %s: got status %d, %v, want %d: %s", method, path, w.StatusCode, err, want, answer)
		}
		x.jar.keep(w.Cookies())
		return string(answer)
	}
	visit(200, "POST", "/login", jsonType, `{"name":"Ada"}`)
	for range 4 {
		visit(200, "POST", "/user/shoppingcart", jsonType, `{"noise":"`+rand.Text()+strings.Repeat(rand.Text()+rand.Text(), 70)+rand.Text()+`"}`)
	}
	for range 120 {
		visit(200, "POST", "/user/shoppingcart", jsonType, `{"n":"`+rand.Text()+rand.Text()+rand.Text()+rand.Text()+`"}`)
		if strings.Contains(fmt.Sprint(s.panel.events.read()), "A cart is too large") {
			break
		}
	}
	if err := s.process.kill(); err != nil {
		t.Fatal(err)
	}
	page := visit(200, "GET", "/", "", "")
	for end := time.Now().Add(time.Minute); !strings.Contains(page, "It is too large") && time.Now().Before(end); {
		time.Sleep(time.Second) // what was saved lately, the process still knows
		page = visit(200, "GET", "/", "", "")
	}
	for _, want := range []string{"Hello, <b>Ada</b>", "It is too large for your browser’s cookies, and the store does not answer."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	visit(503, "GET", "/user", "", "")
	visit(503, "POST", "/user/shoppingcart", jsonType, `{}`)
	if err := s.process.back(); err != nil {
		t.Fatal(err)
	}
	s.wait("the store to serve again", 20*time.Second, func() bool {
		return s.sessions.Stats().Restores > 0 || strings.Contains(visit(200, "GET", "/", "", ""), "has lost it")
	})
	page = visit(200, "GET", "/", "", "")
	if !strings.Contains(page, "Hello, <b>Ada</b>") || !strings.Contains(page, "the store has lost it. Empty it to begin anew.") {
		t.Errorf("got %s", page)
	}
	visit(409, "POST", "/user/shoppingcart", jsonType, `{}`)
	visit(303, "POST", "/user/shoppingcart/clear", formType, "")
	if got := visit(200, "POST", "/user/shoppingcart", jsonType, `{}`); got != "[{}]\n" {
		t.Errorf("got the cart %s, want one thing", got)
	}
}
