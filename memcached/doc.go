// Package memcached is a client of memcached's meta protocol, for programs
// that keep what they cannot lose sight of in it: it knows deadlines, CAS
// across restarts, and servers that are away. It needs memcached 1.6.13 or
// later, and nothing but the standard library.
//
//	client, err := memcached.New(memcached.Servers("10.0.0.1:11211", "10.0.0.2:11211"), nil)
//	token, err := client.Set(ctx, "session:1", memcached.Item{Value: data, Expires: expires})
//	token, err = client.CompareAndSet(ctx, "session:1", memcached.Item{Value: newer, Expires: expires}, token)
//
// # Connections
//
// All callers share one connection to a server, on which any number of
// requests are in flight. Each reply is matched with its request by order and
// by a number that only that request has; the first that does not match ends
// the connection, and every call on it fails. No call ever gets another's
// value.
//
// A caller who gives up returns at its deadline. A cancellation may take four
// milliseconds longer to be noticed. What the server still answers is
// discarded.
//
// # When a server is away
//
// Its keys are errors and the other servers' keys are not affected: no server
// is ever left out, and no key moves, because a server that came back would
// have old values. A server that was killed is an error at once, a frozen one
// at the caller's deadline until Options.Timeout has passed, and at once from
// then on. One dial at a time is made to a server that is away, each half
// second or sooner, until it is back; calls do not wait for it.
//
// # CAS
//
// A memcached that restarts is empty and counts CAS values from 1 again, so
// that an old CAS value may by chance be that of a new item. A Token therefore
// holds the server's incarnation too: its pid and start, which each connection
// asks for when it is made. A Token goes only over a connection of its own
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
// The server counts in whole seconds, see Item.Expires, and deletes what it has
// no room for: give it memory enough if items must not vanish. Its option -M is
// no help: a write that it then refuses deletes what stood under the key.
package memcached
