// Package override is for operators. It tells a running program to leave the store
// alone, to trust no backup, or to let backups vouch for longer.
//
// An operator has three ways to say so, each of them a [session.Switch]:
//
//   - [Value], which the program sets itself,
//   - a Value as an HTTP handler, for a curl in an incident,
//   - [WatchFile], a file that is read again while the program runs.
//
// # Other sources
//
// A program that gets its orders from elsewhere, such as a key of etcd or a feature
// flag, implements [session.Switch] or sets a Value. The outage of the source must
// change nothing: the Value keeps the last order. An instance that only follows
// changes misses the order that stands when the instance starts or when its watch
// breaks off. So it reads the present value first, watches from exactly there, and
// does both again whenever the watch ends, for whatever reason.
package override
