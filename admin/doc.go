// Package admin is a page and a JSON API for the people on call: how the store is, what waits
// for it, what every instance says, whose sessions there are, and the ends of sessions.
//
//	var events admin.Events
//	sessions, err := session.New(store, &session.Options{
//		Hooks: events.Hooks(session.LogHooks(slog.Default())), …
//	})
//	page, err := admin.New(sessions, operator, &admin.Options{
//		Store: store, Events: &events, Order: follower.Order, Hosts: []string{"ops.shop.example"},
//	})
//	mux.Handle("/admin/", http.StripPrefix("/admin", page))
//
// The command holdfast uses the same API by the Client of this package.
//
// The function operator says who asks and what that person may; there is no page without one.
// It is asked for each request, the page's own style sheet included. No token is ever shown,
// and of a session's values only those that Options.Values names.
package admin
