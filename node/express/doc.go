// Package express reads and writes what express-session 1.19.0 has in a
// browser and in a store, so that a Go service and an Express application can
// have the same sessions.
//
//   - [Secrets] sign the id that is in the cookie and verify it, whichever of
//     several secrets it was signed with.
//   - [Record] is the JSON in the store: a [Cookie] and the application's
//     fields. What is not changed keeps its bytes and its place.
//   - [Options] decide as the middleware does: when a cookie is sent, and
//     whether a request ends with a save, a touch or a destroy.
//
// The keys, expiries and encryption of the stores are in connectredis and
// connectmemcached. Nothing here serves requests.
package express
