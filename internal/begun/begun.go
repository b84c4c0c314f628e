// Package begun tells whether an answer has begun: whether a handler has written to it.
package begun

import "net/http"

// Writer notices whether its handler has answered.
type Writer struct {
	http.ResponseWriter
	Wrote bool
}

// WriteHeader implements http.ResponseWriter.
func (w *Writer) WriteHeader(status int) {
	w.Wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *Writer) Write(p []byte) (int, error) {
	w.Wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Elsewhere reports whether the response has begun past the writers around w, because a
// handler wrote to w itself, of a framework. The writers of gin, negroni and martini say so.
func Elsewhere(w http.ResponseWriter) bool {
	t, ok := w.(interface{ Written() bool })
	return ok && t.Written()
}
