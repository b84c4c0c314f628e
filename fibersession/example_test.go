package fibersession_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	fiberrecover "github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/fibersession"
	"github.com/holdfast-go/session/memstore"
)

var basket = session.NewKey[[]string]("basket")

func addToBasket(c fiber.Ctx) error {
	s, err := fibersession.From(c)
	if err != nil {
		return err // fiber's ErrorHandler finds a *fiber.Error with 503 in it
	}
	sku := strings.Clone(c.Params("sku")) // an Update may run after fiber has used the memory again
	basket.Update(s, func(all *[]string) error { *all = append(*all, sku); return nil })
	return c.SendString("added")
}

func showBasket(c fiber.Ctx) error {
	s, err := fibersession.From(c)
	if err != nil {
		return err
	}
	return c.JSON(basket.Or(s, nil))
}

func pay(c fiber.Ctx) error {
	s, err := fibersession.From(c)
	if err != nil {
		return err
	}
	basket.Delete(s)
	return c.SendString("paid")
}

// withSession serves a handler of net/http below Handler.
func withSession(h http.Handler) fiber.Handler {
	return adaptor.HTTPHandlerWithContext(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx, ok := adaptor.LocalContextFromHTTPRequest(r); ok {
			r = r.WithContext(ctx)
		}
		h.ServeHTTP(w, r)
	}))
}

// A handler of net/http gets the session from its request's context, as everywhere.
func ExampleHandler_netHTTP() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	app := fiber.New()
	app.Use(fibersession.Handler(sessions))
	app.All("/admin", withSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "%d in the basket", len(basket.Or(s, nil)))
	})))
	shown, err := app.Test(httptest.NewRequest(fiber.MethodGet, "/admin", nil))
	if err != nil {
		log.Fatal(err)
	}
	text, _ := io.ReadAll(shown.Body)
	fmt.Println(shown.StatusCode, string(text))
	// Output:
	// 200 0 in the basket
}

func Example() {
	sessions, err := session.New(memstore.New(nil), &session.Options{Cookie: session.Cookie{Insecure: true}})
	if err != nil {
		log.Fatal(err)
	}

	app := fiber.New()
	app.Use(fiberrecover.New(), fibersession.Handler(sessions))
	app.Post("/basket/:sku", addToBasket)
	app.Get("/basket", fibersession.ReadOnly(sessions), showBasket)
	app.Get("/mine", fibersession.Require(sessions), fibersession.ReadOnly(sessions), showBasket)
	app.Post("/pay", fibersession.RequireStore(sessions), pay) // never by a backup alone

	added, err := app.Test(httptest.NewRequest(fiber.MethodPost, "/basket/tofu", nil))
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(fiber.MethodGet, "/mine", nil)
	r.AddCookie(added.Cookies()[0])
	shown, err := app.Test(r)
	if err != nil {
		log.Fatal(err)
	}
	text, _ := io.ReadAll(shown.Body)
	fmt.Println(shown.StatusCode, string(text))
	// Output:
	// 200 ["tofu"]
}
