// Package session keeps a visitor's session in a server-side store, for
// net/http.
//
// A route that does not ask for its session costs nothing, a route that reads
// pays one read, and a session is written when a value changed: with a
// compare-and-set, so that two requests at once lose nothing, and before the
// first byte of the response, so that a visitor who is told of a change can
// rely on it. When the store does not answer, nobody is logged out: the
// answer is 503, the cookie stays.
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
// A session begins when the first value is set. It ends by Destroy, by
// Revoke, when nobody has used it for Options.Idle, and at the latest
// Options.Lifetime after it began or was renewed. Call Renew at every login, and
// Rotate to exchange a token that is getting old.
//
// # Concurrency
//
// Requests of one visitor that run at once each see the session as it was
// when they asked. What they change is joined key by key; where two write the
// same key, the later write stays, and Update runs again on what the other
// one wrote. After a logout no request that is still running, and no refresh
// of the expiry, brings the session back.
//
// # Stores
//
// Package memstore keeps sessions in the process, memcachedstore in memcached,
// and redisstore, a module of its own, in Redis. Package storetest checks a
// store of your own.
package session
