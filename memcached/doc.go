// Package memcached is a client of memcached's meta protocol. Calls return at
// their deadline even from a frozen server, a CAS value of before a restart never
// counts as a current one, and a server that is away costs only its own
// keys. It needs memcached 1.6.13 or later, and nothing but the standard library.
// It knows nothing of sessions; package memcachedstore does.
//
//	client, err := memcached.New(memcached.Servers("10.0.0.1:11211", "10.0.0.2:11211"), nil)
//	token, err := client.Set(ctx, "session:1", memcached.Item{Value: data, Expires: expires})
//	token, err = client.CompareAndSet(ctx, "session:1", memcached.Item{Value: newer, Expires: expires}, token)
//
// # Connections
//
// All callers share one connection to a server, on which any number of
// requests are in flight. The client matches each reply with its request by order
// and by a number that only that request has. The first reply that does not match
// ends the connection, and every call on it fails. No call ever gets the value of
// another.
//
// A caller that gives up returns at its deadline. The client may notice a
// cancellation four milliseconds late. It discards the replies of calls that
// have returned.
//
// # When a server is away
//
// Calls for its keys fail, and the keys of other servers are not affected. No
// server is ever left out, and no key moves, because a server that came back
// would have old values. A call to a killed server fails at once. A call to a
// frozen server fails at the caller's deadline until Options.Timeout has passed,
// and at once from then on. The client dials a server that is away each half
// second or sooner, one dial at a time, until it is back; calls do not wait for
// the dial.
//
// # CAS
//
// A memcached that restarts is empty and counts CAS values from 1 again, so
// that an old CAS value may by chance be that of a new item. A Token therefore
// holds the server's incarnation too: its pid and start time, which the client
// asks for on each new connection. A Token goes only over a connection of its own
// incarnation, which a restart of the server ends. A load balancer that moves a
// connection from one memcached to another would break this; memcached's own
// proxy is refused.
//
// # Keys and the ring
//
// Several servers share the keys by ketama, point for point as the Node client
// memcached 2.2.2 does, so that Go and Node programs find the same items. Keys
// that memcached cannot take are hashed, see HashKey.
//
// The server counts in whole seconds, see Item.Expires, and evicts items when its
// memory is full: give it enough memory if items must not vanish. Its option -M
// does not help: a write that is refused then deletes the item under the key.
//
// # The source
//
// client.go has the operations, call.go and node.go send one to a server, and ring.go
// chooses the server. errors.go says what a caller gets: whether to call again is for callers to
// decide. conn.go, writer.go and reader.go are a connection, and request.go and
// reply.go the protocol. handshake.go asks a server who it is, token.go names a write, and
// key.go, expiry.go and options.go have what their names say.
package memcached
