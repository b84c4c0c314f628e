// Package connectmemcached defines how connect-memcached keeps the sessions of
// express-session in memcached: keys, flags, expiries, and its encryption.
// [Options.Open] makes the client and the store. The ring that finds the server of
// a key is [github.com/holdfast-go/session/memcached.NewRing].
//
// There are two wire formats. Since version 2.0 connect-memcached stores a session
// as an object, with the flags of JSON. Earlier versions store a string with the
// flags 0. Node cannot read one as the other. This package reads both, and writes
// the one that [Options] choose.
package connectmemcached
