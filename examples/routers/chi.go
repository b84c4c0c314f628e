package routers

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/holdfast-go/session"
)

// Chi serves the shop with chi, whose middleware is that of net/http: the
// Manager's methods go into Use and With as they are.
func Chi(sessions *session.Manager) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer, sessions.Handler)
	r.Get("/food", food)
	r.Method(http.MethodPost, "/cart/{sku}", action(addOne))
	r.With(sessions.ReadOnly).Method(http.MethodGet, "/cart", action(showCart))
	r.With(sessions.Require, sessions.ReadOnly).Method(http.MethodGet, "/mine", action(showCart))
	r.With(sessions.Require, sessions.RequireStore).Method(http.MethodPost, "/pay", action(payNow))
	r.Method(http.MethodGet, "/notice", action(showNotice))
	r.Method(http.MethodPost, "/quiet/{sku}", action(addQuietly))
	r.Method(http.MethodPost, "/stream/{sku}", action(addAndStream))
	r.Method(http.MethodPost, "/panic/{sku}", action(func(_ http.ResponseWriter, r *http.Request) error {
		if err := add(r.Context(), r.PathValue("sku")); err != nil {
			return err
		}
		panic("a defect of the handler's")
	}))
	return r
}
