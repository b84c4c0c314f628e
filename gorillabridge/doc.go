// Package gorillabridge lets libraries and handlers that are written for
// github.com/gorilla/sessions keep their sessions with a session.Manager. Its Store
// is a sessions.Store: gothic takes it as gothic.Store, and gin-contrib/sessions with
// one method more, which docs/FROM-GORILLA.md shows.
//
//	gothic.Store = gorillabridge.New(sessions, nil)
//	http.ListenAndServe(addr, sessions.Handler(mux))
//
// All requests that use it come through the Manager's Handler. Get and New panic
// where one does not, as session.From does.
//
// A gorilla session of some name is one value in the visitor's session, beside what
// keys of your own hold, and any number of names may be used. So an application can
// be moved route by route, or keep the bridge for one library alone.
//
// # What is the same
//
// Values of any type, registered with gob.Register where gorilla needs that; flashes;
// several names in one request; sessions.Save; MaxAge below zero, which deletes the
// values of that name.
//
// # What is better
//
// Save compares the values with those that New returned, and changes what differs:
// of two requests at once that set two values, neither loses one. A visitor without
// values has no session and no cookie. Where the store is away, the visitor is served
// from the backup.
//
// Where it is unknown whether there is a session, New returns an error and an empty
// session, and the answer is 503, whatever the handler makes of them. gorilla's
// handlers often ignore that error, and then save an empty session over the
// visitor's.
//
// # What cannot be kept
//
//   - A save does not replace the whole map. Where two requests at once set the same
//     value the later one stays, and the result may hold values of both. Flashes are
//     one value: of two requests at once that add one each, one flash is lost, as with
//     gorilla. Use session.Key.Update for what must not be lost.
//   - Save does not write to the store by itself: the Manager saves before the first
//     byte of the response, once for all names. If that fails, the error replaces the
//     response. Save returns the errors that are known by then, after the response
//     header too, where gorilla ignores them.
//   - sessions.Options has no effect but for MaxAge below zero. Cookie, domain,
//     SameSite and lifetimes are the Manager's, for all names.
//   - Codecs and their keys have no place here: nothing of a value is in the cookie,
//     except sealed in a backup.
//   - Session.ID is the Manager's ID of the visitor's session, one for all names, and
//     empty while there is none. It changes at a login. It is no secret, and nothing
//     is found by it.
//   - To save a session without values begins none, so that IsNew is true again in
//     the next request.
//   - All values of one name are one value for the backup: what does not fit
//     Backup.Copy is not served while the store is away.
//
// gorilla has no way to renew a token. At a login call session.From and
// session.Session.SetUser, or Renew where no user is to be known.
package gorillabridge
