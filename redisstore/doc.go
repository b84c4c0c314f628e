// Package redisstore keeps sessions in Redis, or in a server that speaks its
// protocol.
//
// A session is one string key, so the store works alike on a single server, with
// Sentinel, on a Cluster, over TLS and on unix sockets, which are up to the client.
// The client is github.com/redis/rueidis; [ClientOption] makes its options from a
// URL, as a session store needs them. A Load is one GET; a Save is one SET or one
// script. The server needs no preparation. [ClientCache] needs Redis 6 or later.
//
// The store's user needs the rights to get, set, del, exists, getrange, evalsha and
// eval on the prefix. List needs scan. In a cluster the probe needs cluster|slots, and
// List role. The cache needs client|tracking, client|caching, multi, exec and pttl. The
// error of a refused command names the command and the right, also inside a script. The
// probe, which a session.Backup makes each second, should have info, and notices less
// without it: see [Store.Probe].
//
// The server's configuration decides:
//
//   - A server that evicts (maxmemory-policy other than noeviction) ends
//     sessions early, and forgets logouts, when memory runs out. With
//     noeviction such a Save fails instead, and nothing is lost.
//   - A write that was acknowledged is lost when the server fails before it is
//     on disk or on a replica. This package sends no WAIT, and sets no appendfsync.
//   - A record may have up to 512 MB, and a larger one is ErrTooLarge. A
//     proto-max-bulk-len below that makes the server hang up instead.
//   - Reads go to primaries: a replica may not have what was just saved.
//
// # The source
//
// store.go has Load and Save, script.go and raw.go the scripts of a compare-and-set, and
// value.go the bytes of a record. sender.go sends commands within their callers' deadlines;
// dial.go and connection.go watch the connections, and frames.go their protocol. cache.go
// and floor.go are the client's cache, probe.go and cluster.go the shards, list.go lists
// sessions, refusal.go explains what a server does not allow, and url.go makes the
// client's options.
package redisstore
