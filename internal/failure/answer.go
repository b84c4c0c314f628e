package failure

import (
	"errors"
	"net/http"
)

// Status returns the status of the first error in the chain of err that knows one, else
// 500.
func Status(err error) int {
	var e interface {
		error
		StatusCode() int
	}
	if errors.As(err, &e) {
		return e.StatusCode()
	}
	return http.StatusInternalServerError
}

// Answer answers a request whose session failed. The client learns no more than the
// status, and when to try again.
func Answer(w http.ResponseWriter, err error) {
	w.Header().Set("Cache-Control", "no-store")
	text := "session failed"
	switch {
	case errors.Is(err, ErrNoSession):
		text = "session required"
	case errors.Is(err, ErrEnded):
		w.Header().Set("Retry-After", "1")
		text = "session has just ended, try again"
	case errors.Is(err, ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		text = "session unavailable, try again"
	}
	http.Error(w, text, Status(err))
}

// Writer reports whether the function that is to answer an error has answered. It is
// for one request.
type Writer struct {
	http.ResponseWriter
	wrote bool
}

// NewWriter returns a Writer before w.
func NewWriter(w http.ResponseWriter) *Writer { return &Writer{ResponseWriter: w} }

// WriteHeader passes the status on.
func (w *Writer) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

// Write passes a part of the body on.
func (w *Writer) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// End answers 500 where the function has not answered: net/http would answer 200.
func (w *Writer) End() {
	if !w.wrote {
		w.WriteHeader(http.StatusInternalServerError)
	}
}
