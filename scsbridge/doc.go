// Package scsbridge offers the API of github.com/alexedwards/scs/v2 on a
// session.Manager, so that the handlers of an application move from scs by the change
// of an import:
//
//	import scs "github.com/holdfast-go/session/scsbridge"
//
// Only the place where scs was set up is written anew, because the store, the cookie
// and the lifetimes are the Manager's:
//
//	sessions, err := session.New(redisstore.New(client), &session.Options{Idle: 20 * time.Minute})
//	sessionManager := scs.New(sessions, nil)
//	http.ListenAndServe(addr, sessionManager.LoadAndSave(mux))
//
// Each key of scs is a value of its own in the visitor's session, beside what keys of
// your own hold. So handlers can be moved to session.Key one after the other.
//
// # What is the same
//
// Values of any type, registered with gob.Register where scs needs that; the names of
// the methods, and what they return where there is no value or one of another type;
// that they panic where the request does not come through LoadAndSave.
//
// # What is better
//
// A request that does not use its session costs no store command, and one that reads
// writes nothing. Of two requests at once that put two keys, neither loses one. A
// request that is slow undoes no logout of another one. Where the store is away, the
// visitor is served from the backup; where there is none the answer is 503, and no
// value is taken for absent because it is unknown.
//
// # What cannot be kept
//
//   - A save does not replace the whole map. Where two requests at once put the same
//     key the later one stays, and the session may hold keys of both. Clear and Keys are
//     of the keys that the request sees, not of those that another one is putting.
//   - Put encodes the value at once. A map or a struct behind a pointer that is changed
//     afterwards has to be put again, and Get returns a copy each time.
//   - A value that gob cannot encode makes the answer 500, as in scs.
//   - Codec, HashTokenInStore and ErrorFunc: values have an encoding each, the store
//     never has the token, and Options.Error of the Manager answers errors.
//   - Token, Load, Commit, WriteSessionCookie and MergeSession: no part of the program
//     gets the token. For a token in a header there is Options.Header of the Manager.
//     After the header was written, in a websocket or an event stream,
//     session.Session.Save takes their place.
//   - Status, and Deadline and SetDeadline: there is session.Session.Renewed, from
//     which on Options.Lifetime counts.
//   - RememberMe: there is session.Session.Remember at a login, and
//     session.Cookie.Persistent for all sessions.
//   - Iterate: session.Lister yields the IDs, and Manager.Revoke ends a session.
//   - A key longer than 250 bytes panics.
//
// A call of a method that is left out does not compile, so that no handler
// silently gets something else. docs/FROM-SCS.md has the table.
package scsbridge
