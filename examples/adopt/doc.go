// Package adopt shows how the visitors of a site keep their sessions when it
// moves from another Go library to this one: session.Options.Adopt for scs and
// for gorilla/sessions. Copy the function that you need, and say there which
// values you have.
package adopt

import "github.com/holdfast-go/session"

// The values that both libraries of the site know.
var (
	user  = session.NewKey[string]("user")
	items = session.NewKey[int]("items")
)
