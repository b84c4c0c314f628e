package contestant

import (
	"net"
	"net/url"
	"strconv"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/session"
	"github.com/gofiber/storage/redis/v3"
)

// fiberRedis is the application once more, because fiber is not net/http.
func fiberRedis(stores Stores) (func(net.Listener) error, error) {
	host, port, err := net.SplitHostPort(stores.Redis)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	middleware, store := session.NewWithStore(session.Config{Storage: redis.New(redis.Config{Host: host, Port: number})})
	store.RegisterType([]string{})

	app := fiber.New()
	app.Use(middleware)
	app.Post(Login, func(c fiber.Ctx) error {
		query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
		if err != nil {
			return err
		}
		shape, err := shapeOf(query)
		if err != nil {
			return err
		}
		s, content := session.FromContext(c), shape.New()
		s.Set("name", content.Name)
		s.Set("email", content.Email)
		s.Set("visits", content.Visits)
		s.Set("cart", content.Cart)
		for _, item := range content.Items {
			s.Set(item.Key, item.Value)
		}
		return answerFiber(c, []byte(`{}`))
	})
	app.Get(Food, func(c fiber.Ctx) error { return answerFiber(c, FoodAnswer) })
	user := func(c fiber.Ctx) error {
		name, _ := session.FromContext(c).Get("name").(string)
		return answerFiber(c, nameAnswer(name))
	}
	app.Get(User, user)
	app.Get(ReadOnly, user)
	app.Post(Cart, func(c fiber.Ctx) error {
		s := session.FromContext(c)
		cart, _ := s.Get("cart").([]string)
		cart = turned(cart)
		s.Set("cart", cart)
		return answerFiber(c, CartAnswer(cart))
	})
	return func(ln net.Listener) error {
		return app.Listener(ln, fiber.ListenConfig{DisableStartupMessage: true})
	}, nil
}

func answerFiber(c fiber.Ctx, body []byte) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(body)
}
