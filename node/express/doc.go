// Package express shares sessions with express-session 1.19.0: a Go service and
// an Express application have the same ones, at the same time, in the same Redis
// or memcached.
//
// [Profile] is all that a service needs. docs/FROM-NODE.md says how to move one
// route at a time, and what each option becomes.
//
// Below it are the parts that the profile is made of, for programs that read and
// write such sessions by themselves:
//
//   - [Secrets] sign the id that is in the cookie and verify it, whichever of
//     several secrets it was signed with.
//   - [Record] is the JSON in the store: a [Cookie] and the application's fields. A
//     field that is not changed keeps its bytes and its place.
//   - [Options] decide as the middleware does: when a cookie is sent, and
//     whether a request ends with a save, a touch or a destroy.
//
// The keys, expiries and encryption of the stores are in connectredis and
// connectmemcached.
package express
