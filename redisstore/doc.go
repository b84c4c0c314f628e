// Package redisstore keeps sessions in Redis, or in what speaks its protocol.
//
// A session is one string key, so a single server, Sentinel, Cluster, TLS and
// unix sockets are all the same to it: they are the client's business. The
// client is github.com/redis/rueidis; [ClientOption] makes its options from a
// URL, set as a session store wants them. A Load is one GET; a Save is one SET
// or one script. The server needs no preparation. [ClientCache] takes Redis 6
// or later.
//
// A user with no more rights than it needs has get, set, del, exists, getrange,
// evalsha and eval on the prefix; to list, scan, and in a cluster role and
// cluster|slots; for the cache client|tracking, client|caching, multi, exec and
// pttl. A command that is refused is an error that names it and the right, also
// inside a script. The probe, which a session.Backup makes each second, does
// without info, and less well: see [Store.Probe].
//
// What the operator decides with the server's configuration:
//
//   - A server that evicts (maxmemory-policy other than noeviction) ends
//     sessions early, and forgets logouts, when memory runs out. With
//     noeviction such a Save fails instead, and nothing is lost.
//   - A write that was acknowledged is lost when the server fails before it is
//     on disk or on a replica. WAIT and appendfsync are not this package's.
//   - A record of up to 512 MB is taken, and a larger one is ErrTooLarge. A
//     proto-max-bulk-len below that makes the server hang up instead.
//   - Reads go to primaries: a replica may not have what was just saved.
package redisstore
