package fibersession_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/fibersession"
	"github.com/holdfast-go/session/internal/test/shopfront"
)

func TestAStreamSavesWhatItChangesAndLearnsOfTheLogout(t *testing.T) {
	next := make(chan string)
	defer close(next)
	s := newSite(t, nil, func(s *site, r fiber.Router) {
		shop(s, r)
		r.Post("/logout", func(c fiber.Ctx) error {
			v, err := fibersession.From(c)
			if err == nil {
				_, err = v.Destroy(c.Context())
			}
			return err
		})
		r.Get("/live", fibersession.Require(s.Sessions), func(c fiber.Ctx) error {
			v, err := fibersession.From(c)
			if err != nil {
				return err
			}
			return c.SendStreamWriter(func(w *bufio.Writer) {
				w.WriteString("here\n") // fasthttp sends the header with the first bytes
				w.Flush()
				for sku := range next {
					cart.Update(v, func(all *[]string) error { *all = append(*all, sku); return nil })
					_, err := v.Save(context.Background())
					switch {
					case errors.Is(err, session.ErrEnded):
						w.WriteString("logged out\n")
					case err != nil:
						w.WriteString("not saved\n")
					default:
						w.WriteString("added\n")
					}
					w.Flush()
				}
			})
		})
	})
	v := s.Visitor()
	v.Refused("GET", "/live", 403)
	v.Want("POST", "/cart/tofu", 200, "added")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	read := func(sku, want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("%s: got %q, %v, want %q", sku, lines.Text(), lines.Err(), want)
		}
	}
	say := func(sku, want string) {
		t.Helper()
		next <- sku
		read(sku, want)
	}
	read("the first line", "here")
	say("rice", "added")
	v.Want("POST", "/cart/salt", 200, "added") // meanwhile, by another tab
	say("oil", "added")
	v.Want("GET", "/cart", 200, "tofu,rice,salt,oil")
	s.Store.Fail(shopfront.ErrAway)
	say("corn", "not saved")
	s.Store.Heal()
	say("mint", "added")
	v.Want("GET", "/cart", 200, "tofu,rice,salt,oil,corn,mint")
	v.Want("POST", "/logout", 200, "")
	say("late", "logged out")
}

// What a stream changes after the header and does not save is saved a second later.
func TestAStreamThatForgetsToSaveIsSavedFor(t *testing.T) {
	next := make(chan struct{})
	s := newSite(t, nil, func(s *site, r fiber.Router) {
		shop(s, r)
		r.Get("/live", func(c fiber.Ctx) error {
			v, err := fibersession.From(c)
			if err != nil {
				return err
			}
			return c.SendStreamWriter(func(w *bufio.Writer) {
				w.WriteString("here\n")
				w.Flush()
				<-next
				cart.Set(v, []string{"rice"})
			})
		})
	})
	change := func(v *shopfront.Visitor) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := v.Client.Do(r) // returns when the header is sent
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		next <- struct{}{}
		if text, err := io.ReadAll(res.Body); err != nil || string(text) != "here\n" {
			t.Errorf("got %q, %v", text, err)
		}
	}
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	change(v)
	for end := time.Now().Add(30 * time.Second); v.Do("GET", "/cart").Body != "rice"; {
		if time.Now().After(end) {
			t.Fatal("the change is not saved")
		}
		time.Sleep(20 * time.Millisecond)
	}
	change(s.Visitor()) // which can begin no session any more
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if len(s.Lost()) > 0 {
			s.WantLost(session.ErrTooLate)
			return
		}
		if time.Now().After(end) {
			t.Fatal("Hooks.Dropped was told nothing")
		}
	}
}

func TestAHijackedConnectionIsAnsweredWithTheCookie(t *testing.T) {
	s := newSite(t, nil, func(_ *site, r fiber.Router) {
		r.Get("/upgrade", func(c fiber.Ctx) error {
			v, err := fibersession.From(c)
			if err != nil {
				return err
			}
			cart.Set(v, []string{"tofu"})
			c.RequestCtx().Hijack(func(conn net.Conn) {
				cart.Set(v, []string{"tofu", "rice"})
				d, err := v.Save(context.Background())
				io.WriteString(conn, d.String())
				if err != nil {
					t.Error(err)
				}
			})
			return c.SendStatus(http.StatusSwitchingProtocols)
		})
		r.Get("/cart", show)
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /upgrade HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n")
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	var cookie string
	for _, c := range res.Cookies() {
		if c.Name == "session" {
			cookie = c.Value
		}
	}
	if res.StatusCode != http.StatusSwitchingProtocols || cookie == "" {
		t.Errorf("status %d, cookies %v", res.StatusCode, res.Cookies())
	}
	if text, err := io.ReadAll(in); err != nil || string(text) != "durable" {
		t.Errorf("got %q, %v", text, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/cart", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	shown, err := s.Visitor().Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Body.Close()
	if text, _ := io.ReadAll(shown.Body); string(text) != "tofu,rice" {
		t.Errorf("the cart holds %q", text)
	}
}

// fasthttp uses the memory of a request for the next one. A session, its token and the
// request that hooks see must not change with it.
func TestSessionsThatOutliveTheirRequestKeepTheirToken(t *testing.T) {
	kept := make(chan *session.Session, 100)
	s := newSite(t, nil, func(s *site, r fiber.Router) {
		shop(s, r)
		r.Post("/keep", func(c fiber.Ctx) error {
			v, err := fibersession.From(c)
			if err == nil {
				kept <- v
			}
			return err
		})
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			v := s.Visitor()
			v.Want("POST", "/cart/tofu", 200, "added")
			for range 5 {
				v.Want("POST", "/keep", 200, "")
				v.Want("POST", "/cart/rice", 200, "added")
			}
			v.Want("GET", "/cart", 200, "tofu,rice,rice,rice,rice,rice")
		})
	}
	all.Wait()
	close(kept)
	for v := range kept {
		if err := v.Reload(t.Context()); err != nil {
			t.Errorf("Reload: %v", err)
		}
		if got := strings.Join(cart.Or(v, nil), ","); got != "tofu,rice,rice,rice,rice,rice" {
			t.Errorf("got %q", got)
		}
	}
}
