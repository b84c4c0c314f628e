package routers

import (
	"io"
	"net/http"

	"github.com/holdfast-go/session"
)

// action is a handler that may return an error instead of answering.
type action func(w http.ResponseWriter, r *http.Request) error

func (do action) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := do(w, r); err != nil {
		remember(r.Context(), err)
		code := status(w.Header(), err)
		http.Error(w, http.StatusText(code), code)
	}
}

// NetHTTP serves the shop with the standard library alone.
func NetHTTP(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /food", food)
	mux.Handle("POST /cart/{sku}", sessions.Handler(action(addOne)))
	mux.Handle("GET /cart", sessions.ReadOnly(action(showCart)))
	mux.Handle("GET /mine", sessions.Require(sessions.ReadOnly(action(showCart))))
	mux.Handle("POST /pay", sessions.Require(sessions.RequireStore(action(payNow))))
	mux.Handle("GET /notice", sessions.Handler(action(showNotice)))
	mux.Handle("POST /quiet/{sku}", sessions.Handler(action(addQuietly)))
	mux.Handle("POST /stream/{sku}", sessions.Handler(action(addAndStream)))
	return mux
}

func food(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tofu") }

func addOne(w http.ResponseWriter, r *http.Request) error {
	if err := add(r.Context(), r.PathValue("sku")); err != nil {
		return err
	}
	io.WriteString(w, "added")
	return nil
}

func showCart(w http.ResponseWriter, r *http.Request) error {
	text, err := show(r.Context())
	if err != nil {
		return err
	}
	io.WriteString(w, text)
	return nil
}

func payNow(w http.ResponseWriter, r *http.Request) error {
	if err := pay(r.Context()); err != nil {
		return err
	}
	io.WriteString(w, "paid")
	return nil
}

func showNotice(w http.ResponseWriter, r *http.Request) error {
	text, err := noticed(r.Context())
	if err != nil {
		return err
	}
	io.WriteString(w, text)
	return nil
}

// addQuietly answers with a status alone.
func addQuietly(w http.ResponseWriter, r *http.Request) error {
	if err := add(r.Context(), r.PathValue("sku")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// addAndStream saves with its first flush, which sends the header.
func addAndStream(w http.ResponseWriter, r *http.Request) error {
	if err := add(r.Context(), r.PathValue("sku")); err != nil {
		return err
	}
	flush := http.NewResponseController(w).Flush
	if err := flush(); err != nil {
		return err
	}
	for _, line := range lines {
		io.WriteString(w, line)
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}

var lines = []string{"one\n", "two\n"}
