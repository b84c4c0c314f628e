package fibersession_test

import (
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/fibersession"
	"github.com/holdfast-go/session/memstore"
)

// BenchmarkUntouched is a route that never asks for its session, bare and below
// Handler, with a request as browsers send it.
func BenchmarkUntouched(b *testing.B) {
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		handlers []any
	}{
		{"bare", nil},
		{"Handler", []any{fibersession.Handler(m)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			app := fiber.New()
			if c.handlers != nil {
				app.Use(c.handlers...)
			}
			app.Get("/", func(c fiber.Ctx) error { return c.SendString("tofu") })
			serve := app.Handler()
			var in fasthttp.RequestCtx
			in.Request.Header.SetMethod(fiber.MethodGet)
			in.Request.SetRequestURI("http://shop.test/")
			for k, v := range map[string]string{
				"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
				"Accept":     "text/html,application/xhtml+xml", "Accept-Language": "en-US,en;q=0.9", "Accept-Encoding": "gzip, deflate, br",
				"Cookie": "__Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Sec-Fetch-Site": "same-origin",
			} {
				in.Request.Header.Set(k, v)
			}
			b.ReportAllocs()
			for b.Loop() {
				in.Response.Reset()
				serve(&in)
			}
		})
	}
}
