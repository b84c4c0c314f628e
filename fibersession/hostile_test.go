package fibersession_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/timeout"

	"github.com/holdfast-go/session/fibersession"
	"github.com/holdfast-go/session/internal/test/shopfront"
)

// send writes a request to a connection of its own, and returns the answer and what follows it.
func send(t *testing.T, url string, lines ...string) (*http.Response, *bufio.Reader) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\nConnection: close\r\n\r\n")
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res, in
}

// The handler has asked fasthttp for the connection, which it is not to get with an answer that
// says that nothing was saved.
func TestAConnectionIsNotHijackedWhereTheSaveFails(t *testing.T) {
	for name, silent := range map[string]bool{"after an answer": false, "without an answer": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil, func(s *site, r fiber.Router) {
				r.Get("/upgrade", func(c fiber.Ctx) error {
					v, err := fibersession.From(c)
					if err != nil {
						return err
					}
					cart.Set(v, []string{"tofu"})
					s.Store.Fail(shopfront.ErrAway)
					c.RequestCtx().HijackSetNoResponse(silent)
					c.RequestCtx().Hijack(func(conn net.Conn) { io.WriteString(conn, "hijacked") })
					return c.SendStatus(http.StatusSwitchingProtocols)
				})
			})
			res, in := send(t, s.URL, "GET /upgrade HTTP/1.1", "Host: shop.test")
			if text, err := io.ReadAll(res.Body); res.StatusCode != http.StatusServiceUnavailable || err != nil {
				t.Errorf("got %d, %q, %v, want 503", res.StatusCode, text, err)
			}
			if more, err := io.ReadAll(in); len(more) > 0 || err != nil {
				t.Errorf("after the answer came %q, %v", more, err)
			}
		})
	}
}

// With DisableHeaderNormalizing fiber keeps the names of fields as they were written.
func TestFieldsAreFoundHoweverTheyAreSpelled(t *testing.T) {
	s := &site{Shop: shopfront.New(t, nil)}
	s.app = fiber.New(fiber.Config{DisableHeaderNormalizing: true})
	s.app.Use(fibersession.Handler(s.Sessions))
	s.app.All("/", func(c fiber.Ctx) error {
		v, err := fibersession.From(c)
		if err != nil {
			return err
		}
		c.Response().Header.Set("cache-control", "public, max-age=60")
		cart.Set(v, []string{"tofu"})
		return nil
	})
	url := "http://" + s.listen()
	res, _ := send(t, url, "GET / HTTP/1.1", "host: shop.test")
	if got := res.Header.Values("Cache-Control"); res.StatusCode != http.StatusOK || len(got) != 1 || !strings.Contains(got[0], "private") {
		t.Errorf("got %d with Cache-Control %q, want one that is private", res.StatusCode, got)
	}
	// Another site's request, for which the browser holds back the cookie, begins no session.
	res, _ = send(t, url, "POST / HTTP/1.1", "host: shop.test", "sec-fetch-site: cross-site", "content-length: 0")
	if cookies := res.Cookies(); res.StatusCode != http.StatusForbidden || len(cookies) > 0 {
		t.Errorf("got %d with cookies %v, want 403 without", res.StatusCode, cookies)
	}
}

// fiber's timeout middleware answers while the handler still runs. What the handler had not
// saved is dropped, because the answer takes no token any more, and c stays as the handler
// knows it.
func TestAHandlerThatIsTimedOutSavesNothing(t *testing.T) {
	answered := make(chan struct{})
	errs := make(chan error, 1)
	s := &site{Shop: shopfront.New(t, nil), app: fiber.New()} // not newSite's, whose middleware wants its context back
	s.app.Use(fibersession.Handler(s.Sessions))
	shop(s, s.app)
	var expire context.CancelFunc // ends the time, which is long on any machine
	login := func(c fiber.Ctx) error {
		v, err := fibersession.From(c)
		if err != nil {
			return err
		}
		v.Renew()
		cart.Set(v, []string{"tofu", "rice"})
		expire()
		<-answered
		defer func() {
			if p := recover(); p != nil {
				errs <- fmt.Errorf("it panics: %v", p)
			}
		}()
		_, err = fibersession.From(c)
		errs <- err
		return err
	}
	s.app.Post("/login", func(c fiber.Ctx) error {
		ctx, cancel := context.WithCancel(c.Context())
		expire = cancel
		c.SetContext(ctx)
		return c.Next()
	}, timeout.New(login, timeout.Config{Timeout: time.Hour}))
	s.URL = "http://" + s.listen()
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	if a := v.Do("POST", "/login"); a.Status != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", a.Status)
	}
	close(answered)
	if err := <-errs; err != nil {
		t.Errorf("From in the handler that goes on: %v", err)
	}
	v.Want("GET", "/cart", 200, "tofu")
}
