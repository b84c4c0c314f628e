package routers

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/holdfast-go/session"
)

// Huma serves the shop with huma on the standard library's mux, and Handler around it:
// huma hands its operations the context of the request.
func Huma(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	humaRoutes(humago.New(mux, huma.DefaultConfig("Shop", "1.0.0")), sessions)
	return sessions.Handler(mux)
}

// humaUse makes huma's middleware of a Manager's ReadOnly, Require or RequireStore.
// Where that one answers, the operation does not run. Handler stands around the mux:
// its writer would not reach huma from here.
func humaUse(wrap func(http.Handler) http.Handler) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			next(huma.WithContext(c, r.Context()))
		})).ServeHTTP(w, r)
	}
}

// humaAction gives the errors of an operation the status that they know, which huma
// by itself answers with 500.
func humaAction[I, O any](do func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		var own huma.StatusError
		if err == nil || errors.As(err, &own) {
			return out, err
		}
		return nil, humaError(ctx, err)
	}
}

func humaError(ctx context.Context, err error) error {
	remember(ctx, err)
	h := http.Header{}
	code := status(h, err)
	return huma.ErrorWithHeaders(huma.NewError(code, http.StatusText(code)), h)
}

// sku is an operation's input.
type sku struct {
	SKU string `path:"sku"`
}

// page is an operation's output.
type page struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func text(s string) *page { return &page{"text/plain", []byte(s)} }

func humaRoutes(api huma.API, sessions *session.Manager) {
	huma.Get(api, "/food", func(context.Context, *struct{}) (*page, error) { return text("tofu"), nil })
	huma.Post(api, "/cart/{sku}", humaAction(func(ctx context.Context, in *sku) (*page, error) {
		if err := add(ctx, in.SKU); err != nil {
			return nil, err
		}
		return text("added"), nil
	}), humaStatus(http.StatusOK))
	huma.Get(api, "/cart", humaAction(humaShow), humaWith(sessions.ReadOnly))
	huma.Get(api, "/mine", humaAction(humaShow), humaWith(sessions.Require, sessions.ReadOnly))
	huma.Post(api, "/pay", humaAction(func(ctx context.Context, _ *struct{}) (*page, error) {
		if err := pay(ctx); err != nil {
			return nil, err
		}
		return text("paid"), nil
	}), humaStatus(http.StatusOK), humaWith(sessions.Require, sessions.RequireStore))
	huma.Get(api, "/notice", humaAction(func(ctx context.Context, _ *struct{}) (*page, error) {
		s, err := noticed(ctx)
		if err != nil {
			return nil, err
		}
		return text(s), nil
	}))
	huma.Post(api, "/quiet/{sku}", humaAction(func(ctx context.Context, in *sku) (*struct{}, error) {
		return nil, add(ctx, in.SKU)
	}), humaStatus(http.StatusNoContent))
	huma.Post(api, "/abort/{sku}", humaAction(func(ctx context.Context, in *sku) (*struct{}, error) {
		if err := add(ctx, in.SKU); err != nil {
			return nil, err
		}
		return nil, huma.NewError(http.StatusTeapot, "")
	}))
	huma.Post(api, "/stream/{sku}", humaAction(humaStream), humaStatus(http.StatusOK))
}

func humaWith(wrappers ...func(http.Handler) http.Handler) func(*huma.Operation) {
	return func(o *huma.Operation) {
		for _, wrap := range wrappers {
			o.Middlewares = append(o.Middlewares, humaUse(wrap))
		}
	}
}

func humaStatus(code int) func(*huma.Operation) {
	return func(o *huma.Operation) { o.DefaultStatus = code }
}

func humaShow(ctx context.Context, _ *struct{}) (*page, error) {
	s, err := show(ctx)
	if err != nil {
		return nil, err
	}
	return text(s), nil
}

// humaStream saves with its first byte. Its operation has returned by then.
func humaStream(ctx context.Context, in *sku) (*huma.StreamResponse, error) {
	if err := add(ctx, in.SKU); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		for _, line := range lines {
			if _, err := c.BodyWriter().Write([]byte(line)); err != nil {
				return // the client has gone, or the save has failed and is answered
			}
			_ = http.NewResponseController(w).Flush()
		}
	}}, nil
}
