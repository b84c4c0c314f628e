// Package begun reports whether an answer has begun: whether a handler has written to it.
package begun

import "net/http"

// Elsewhere reports whether the response has begun past the writers around w, because a
// handler wrote to w itself, of a framework. The writers of gin, negroni and martini say so.
func Elsewhere(w http.ResponseWriter) bool {
	t, ok := w.(interface{ Written() bool })
	return ok && t.Written()
}
