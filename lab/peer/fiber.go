package peer

import (
	"net"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/session"
	"github.com/gofiber/storage/redis/v3"
)

// fiberRedis is the application once more, because fiber is not net/http.
func fiberRedis(servers Servers, gates *gates) (served, error) {
	host, port, err := net.SplitHostPort(servers.Redis)
	if err != nil {
		return served{}, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return served{}, err
	}
	middleware, store := session.NewWithStore(session.Config{Storage: redis.New(redis.Config{Host: host, Port: number})})
	store.RegisterType([]string{})

	app := fiber.New()
	app.Use(middleware)
	get := func(c fiber.Ctx) (*session.Middleware, Visit) {
		s := session.FromContext(c)
		user, _ := s.Get("user").(string)
		cart, _ := s.Get("cart").([]string)
		return s, Visit{user, cart}
	}
	app.Post(LoginPath, func(c fiber.Ctx) error {
		s, v := get(c)
		if err := s.Regenerate(); err != nil {
			return err
		}
		v.User = strings.Clone(c.Query("user")) // fiber uses the buffer again
		s.Set("user", v.User)
		return c.JSON(v)
	})
	app.Get(MePath, func(c fiber.Ctx) error {
		_, v := get(c)
		gates.hold(strings.Clone(c.Query("gate")))
		return c.JSON(v)
	})
	app.Post(AddPath, func(c fiber.Ctx) error {
		s, v := get(c)
		gates.hold(strings.Clone(c.Query("gate")))
		v.Cart = append(v.Cart, strings.Clone(c.Query("thing")))
		s.Set("cart", v.Cart)
		return c.JSON(v)
	})
	app.Post(LogoutPath, func(c fiber.Ctx) error {
		s, _ := get(c)
		if err := s.Destroy(); err != nil {
			return err
		}
		return c.JSON(Visit{})
	})
	return served{on: func(ln net.Listener) error {
		return app.Listener(ln, fiber.ListenConfig{DisableStartupMessage: true})
	}}, nil
}
