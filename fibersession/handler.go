package fibersession

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/holdfast-go/session"
)

// Handler makes the session available to the handlers that follow, see
// session.Manager.Handler. A request that never asks for its session costs no store
// command.
func Handler(m *session.Manager) fiber.Handler { return wrap(m, m.Handler) }

// ReadOnly is Handler for routes that only read, see session.Manager.ReadOnly.
func ReadOnly(m *session.Manager) fiber.Handler { return wrap(m, m.ReadOnly) }

// Require is Handler for routes that need a session, see session.Manager.Require.
// Without one Options.Error answers ErrNoSession, 403 by default, and the handlers that
// follow do not run.
func Require(m *session.Manager) fiber.Handler { return wrap(m, m.Require) }

// RequireStore is Handler for routes that must not act on a copy of the session, see
// session.Manager.RequireStore.
func RequireStore(m *session.Manager) fiber.Handler { return wrap(m, m.RequireStore) }

// From returns the session of the request, under the innermost Manager: it is
// session.From of c.Context(). The session may be used after the request; c may not.
func From(c fiber.Ctx) (*session.Session, error) { return session.From(c.Context()) }

// key finds the exchange of a Manager in a context.
type key struct{ m *session.Manager }

func wrap(m *session.Manager, with func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		if x, ok := c.Context().Value(key{m}).(*exchange); ok {
			return x.condition(c, with)
		}
		serve(c, m, with)
		return nil
	}
}

// serve runs the handlers that follow below a Manager, and commits.
func serve(c fiber.Ctx, m *session.Manager, with func(http.Handler) http.Handler) {
	x := &exchange{header: make(http.Header)}
	x.read(c)
	outer := c.Context()
	ctx, end := context.WithCancel(context.WithValue(outer, key{m}, x))
	finished := false
	defer func() {
		end()
		switch {
		case finished:
			c.SetContext(outer)
		case !c.IsAbandoned():
			c.SetContext(outer)
			x.write(c) // a token that was saved before
		default:
			p := recover()
			if _, own := p.(abandoned); p != nil && !own {
				panic(p)
			}
		}
	}()
	with(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.session, x.request = w, r
		c.SetContext(r.Context())
		next(c)
		if c.IsAbandoned() {
			panic(abandoned{})
		}
		x.commit(c, r)
	})).ServeHTTP(x, request(c).WithContext(ctx))
	finished = true
	x.answer(c)
}

// abandoned is a panic that drops what the handlers have not saved, as any panic below a
// Manager's Handler does. Middleware such as fiber's timeout has left a handler that still runs
// and uses c, and has fixed the answer, which takes no token any more: a login that was saved
// now would log the visitor out.
type abandoned struct{}

// next runs the handlers that follow, and fiber's ErrorHandler on what they return.
func next(c fiber.Ctx) {
	err := c.Next()
	if err == nil {
		return
	}
	if failed := c.App().ErrorHandler(c, withStatus(c, err)); failed != nil {
		_ = c.SendStatus(http.StatusInternalServerError) // as fiber itself does
	}
}

// condition adds a condition below a Handler of the same Manager. Where it does not
// hold, Options.Error answers.
func (x *exchange) condition(c fiber.Ctx, with func(http.Handler) http.Handler) error {
	x.read(c)
	holds := false
	with(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { holds = true })).
		ServeHTTP(x.session, x.request.WithContext(c.Context()))
	if holds {
		return c.Next()
	}
	x.answer(c)
	return nil
}
