// Package override lets operators tell a running program to leave the store alone, to
// trust no backup, or to let backups vouch for longer.
//
// An operator has these ways to say so, each of them a [session.Switch]:
//
//   - [Value], which the program sets itself,
//   - a Value as an HTTP handler, for a curl in an incident,
//   - [WatchFile], a file that is read again while the program runs,
//   - [Follow], one order for a whole fleet, from a key of etcd (package
//     override/etcd), a node of ZooKeeper (module override/zookeeper), a record of a session
//     store (package override/store) or another [Source].
//
// # Other sources
//
// A program that gets its orders from elsewhere, such as a feature flag, implements
// [Source], sets a Value, or implements [session.Switch]. The outage of the source must
// change nothing, and an instance that only follows changes misses the order that stands
// when the instance starts or when its watch breaks off. Follow sees to both: it reads
// the present value first, waits for a change from exactly there, and does both again
// whenever the wait ends, for whatever reason.
package override
