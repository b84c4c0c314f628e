package fibersession_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	fiberrecover "github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/fibersession"
	"github.com/holdfast-go/session/internal/test/browser"
	"github.com/holdfast-go/session/internal/test/shopfront"
)

var (
	cart   = session.NewKey[[]string]("cart")
	notice = session.NewKey[string]("notice")
)

var errSoldOut = fiber.NewError(http.StatusConflict, "sold out")

// site is a shop in fiber.
type site struct {
	*shopfront.Shop
	app    *fiber.App
	mu     sync.Mutex
	errors []error // what fiber's ErrorHandler was told
}

// newSite serves the routes that routes adds, below Handler.
func newSite(t *testing.T, backup *session.Backup, routes func(s *site, r fiber.Router)) *site {
	t.Helper()
	s := &site{Shop: shopfront.New(t, backup)}
	s.Theme = "theme"
	s.Check = func(request string, a browser.Answer) {
		themes := slices.DeleteFunc(slices.Clone(a.Header["Set-Cookie"]), func(line string) bool { return !strings.HasPrefix(line, "theme=") })
		if a.Header.Get("X-Request-Id") != "7" || !slices.Contains(a.Header.Values("Vary"), "Accept") || len(themes) != 1 {
			t.Errorf("%s: %d without the fields of the middleware before: %v", request, a.Status, a.Header)
		}
	}
	s.app = fiber.New(fiber.Config{ErrorHandler: s.answerError})
	s.app.Use(func(c fiber.Ctx) error {
		c.Set("X-Request-Id", "7")
		c.Vary("Accept")
		c.Cookie(&fiber.Cookie{Name: "theme", Value: "dark"})
		err := c.Next()
		if c.Context().Err() != nil || session.Handled(c.Context()) {
			t.Error("middleware further out has the session's context")
		}
		return err
	}, fiberrecover.New(), fibersession.Handler(s.Sessions))
	routes(s, s.app)
	s.URL = "http://" + s.listen()
	return s
}

// answerError is fiber's ErrorHandler. It leaves a message for the next page.
func (s *site) answerError(c fiber.Ctx, err error) error {
	s.mu.Lock()
	s.errors = append(s.errors, err)
	s.mu.Unlock()
	if errors.Is(err, errSoldOut) {
		if v, err := fibersession.From(c); err == nil {
			notice.Set(v, "sold out")
		}
	}
	return fiber.DefaultErrorHandler(c, err)
}

func (s *site) listen() string {
	l, err := (&net.ListenConfig{}).Listen(s.T.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.T.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	s.T.Cleanup(func() {
		if err := s.app.ShutdownWithTimeout(10 * time.Second); err != nil {
			s.T.Error(err)
		}
		if err := <-done; err != nil {
			s.T.Error(err)
		}
	})
	// A connection that a client dialed and never used holds up fiber's shutdown.
	s.T.Cleanup(s.Transport.CloseIdleConnections)
	return l.Addr().String()
}

// add is a handler that puts an article into the cart.
func add(c fiber.Ctx) error {
	if c.Params("sku") == "caviar" {
		return errSoldOut
	}
	s, err := fibersession.From(c)
	if err != nil {
		return err
	}
	sku := strings.Clone(c.Params("sku")) // fiber uses the memory again
	cart.Update(s, func(all *[]string) error { *all = append(*all, sku); return nil })
	return c.SendString("added")
}

// show is a handler that sends what is in the cart.
func show(c fiber.Ctx) error {
	s, err := fibersession.From(c)
	if err != nil {
		return err
	}
	return c.SendString(strings.Join(cart.Or(s, nil), ","))
}

// shop adds the routes that most tests need.
func shop(s *site, r fiber.Router) {
	m := s.Sessions
	r.Get("/food", func(c fiber.Ctx) error { return c.SendString("tofu") })
	r.Post("/cart/:sku", add)
	r.Get("/cart", fibersession.ReadOnly(m), show)
	r.Get("/mine", fibersession.Require(m), fibersession.ReadOnly(m), show)
	r.Post("/pay", fibersession.Require(m), fibersession.RequireStore(m), func(c fiber.Ctx) error {
		v, err := fibersession.From(c)
		if err != nil {
			return err
		}
		cart.Delete(v)
		return c.SendString("paid")
	})
	r.Get("/notice", func(c fiber.Ctx) error {
		v, err := fibersession.From(c)
		if err != nil {
			return err
		}
		text := notice.Or(v, "")
		notice.Delete(v)
		return c.SendString(text)
	})
	r.Post("/quiet/:sku", func(c fiber.Ctx) error {
		if err := add(c); err != nil {
			return err
		}
		c.Response().ResetBody()
		return c.SendStatus(http.StatusNoContent)
	})
	r.Post("/panic/:sku", func(c fiber.Ctx) error {
		_ = add(c)
		panic("a defect of the handler's")
	})
	r.Post("/stream/:sku", func(c fiber.Ctx) error {
		if err := add(c); err != nil {
			return err
		}
		return c.SendStreamWriter(func(w *bufio.Writer) {
			for _, line := range []string{"one\n", "two\n"} {
				w.WriteString(line)
				w.Flush()
			}
		})
	})
}
