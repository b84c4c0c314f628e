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
// eval on the prefix. List needs scan, and in a cluster role and cluster|slots. The
// cache needs client|tracking, client|caching, multi, exec and pttl. The error of a
// refused command names the command and the right, also inside a script. The probe,
// which a session.Backup makes each second, should have info, and notices less
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
package redisstore
