// Package connectmemcached says how connect-memcached keeps the sessions of
// express-session in memcached: keys, flags, expiries, and its encryption. It
// speaks to no server; the ring that finds the server of a key is
// [github.com/holdfast-go/session/memcached.NewRing].
//
// Two wire formats are about. Since version 2.0 a session is stored as an
// object, with the flags of JSON; before, as a string with the flags 0. Node
// cannot read the one for the other. What is here reads both, and writes the
// one that [Options] say.
package connectmemcached
