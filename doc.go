// Package session keeps a visitor's session in a server-side store, for
// net/http, and keeps visitors logged in while that store is away.
//
// A route that does not ask for its session costs one allocation, and a route that
// reads costs one load. A session is written only when a value changed, and in
// the background once in each Options.Refresh to put its expiry off. The write of
// a change is a compare-and-set, so that two requests at once lose nothing, and it
// happens before the first byte of the response, so that a visitor is told only
// of changes that are saved. When the store does not answer, the answer is 503
// and the cookie stays: no visitor is logged out. With Options.Backup visitors
// are served from a sealed copy in their own cookies instead.
//
//	var cart = session.NewKey[Cart]("cart")
//
//	func add(w http.ResponseWriter, r *http.Request) {
//		s, err := session.From(r.Context())
//		if err != nil {
//			session.Error(w, r, err)
//			return
//		}
//		cart.Update(s, func(c *Cart) error { c.Add(r.PathValue("sku")); return nil })
//		http.Redirect(w, r, "/cart", http.StatusSeeOther) // saved before this leaves
//	}
//
//	sessions, err := session.New(memstore.New(nil), nil)
//	http.ListenAndServe(addr, sessions.Handler(mux))
//
// # Lifetime
//
// A session begins when the first value is set. It ends with Destroy, with one of the
// Revoke methods, when its visitor made no request for Options.Idle, and at the latest
// Options.Lifetime after it began or was renewed. Remember gives one session other
// times. Call SetUser at every login, or Renew if the application has no user names,
// and Rotate to exchange an ageing token.
//
// # Concurrency
//
// Requests of one visitor that run at once each see the session as it was when
// they loaded it. Their changes are joined key by key: where two requests set the
// same key, the later value stays, and Update runs again on the value that the
// other request wrote. After a logout neither a request that is still running nor
// a refresh of the expiry brings the session back.
//
// # Where to look
//
// New and Manager are for the program that sets sessions up, and Options says
// what can be chosen. From, Session and Key are for handlers, and the errors are
// those that handlers meet. Hooks and Stats are for operators. Store is for
// authors of stores.
//
// # Stores
//
// Package memstore keeps sessions in the process, memcachedstore in memcached, and
// mirrorstore in two stores at once. Modules of their own keep them elsewhere:
// redisstore in Redis, pgstore in PostgreSQL, mysqlstore in MariaDB and MySQL, and
// sqlitestore in a SQLite file. Package storetest checks a store of your own.
package session
