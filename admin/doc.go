// Package admin is a page and a JSON API for operators. It shows the state of the store, the
// writes that wait for it, every instance and the sessions of a user, and it ends sessions.
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
// The command holdfast uses the same API through this package's Client.
//
// The function operator is called for each request, even one for the page's own style sheet. It
// returns who the operator is and which access that operator has. New fails without such a
// function. No token is ever shown, and of a session's values only those that Options.Values
// names.
package admin
