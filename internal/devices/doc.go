// Package devices keeps, for each user, a list of the sessions that a user is logged in with.
//
// A [List] is pure (list.go): the content of a record, which stands in the store under [ID].
// An [Index] reads lists and changes them by compare-and-set (index.go), and keeps a user's
// sessions below the application's limit (limit.go), which is MaxRows at most, the bound of a
// list.
//
// A list is for people to look at, and bounded. Whether a session has ended is decided by its
// tombstone and by the revocation set, so each session that a list names is read before it is
// shown. A list that was lost grows again, because a session registers with each refresh.
package devices
