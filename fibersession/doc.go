// Package fibersession keeps a visitor's session with a session.Manager in
// applications on fiber v3, which is not built on net/http.
//
//	app.Use(recover.New(), fibersession.Handler(sessions))
//	app.Post("/cart/:sku", func(c fiber.Ctx) error {
//		s, err := fibersession.From(c)
//		if err != nil {
//			return err // 503, with Retry-After
//		}
//		sku := strings.Clone(c.Params("sku"))
//		cart.Update(s, func(all *Cart) error { all.Add(sku); return nil })
//		return c.SendString("added")
//	})
//	app.Get("/mine", fibersession.Require(sessions), fibersession.ReadOnly(sessions), show)
//
// Handler, ReadOnly, Require and RequireStore do what the Manager's methods of these
// names do, may be nested in any order, and work alone. Below them c.Context() is the
// context to pass to session.From, StartNew and Loaded. It ends when the handlers have
// returned.
//
// # When the session is saved
//
// fiber sends nothing before all handlers have returned. The session is saved when
// those below the outermost of the four have, and fiber's ErrorHandler with them, which
// is called from here: what it changes is saved too. Middleware that stands further out
// gets no error any more, changes the response of a session that is saved, and may
// change the session by Save alone. If the save fails, Options.Error of the Manager
// answers instead: nothing of the handlers' response is left but the header fields
// that stood there before.
//
// An Update runs again when another request has saved the session first,
// and may do so after the handlers have returned: clone the texts of c that it uses, or
// set fiber.Config.Immutable.
//
// A panic drops what is not saved. Put fiber's recover middleware before Handler. So does
// fiber's timeout middleware where it answers for a handler that still runs: its answer takes
// no token. Below Handler c.Context() stays the session's then, also for middleware further out.
//
// # Streams and websockets
//
// A body that is written by SendStreamWriter, and the function of a hijacked
// connection, outlive the handlers. Get the session before, with From, and save changes
// with session.Session.Save, with a context of your own, such as context.Background.
// fasthttp starts the function of SendStreamWriter at once: what it changes may still be
// saved with the handlers' changes, and without Save it is saved a second later. After
// the header no change begins a session. Do not use c there: fiber gives it to another
// request.
//
// # Errors
//
// An error that a handler returns, and that knows its status (see session.Status), is
// a *fiber.Error to fiber's ErrorHandler, found by errors.As, with that status and its
// text. 503 gets a Retry-After. The error itself is still found by errors.Is and
// errors.As; its text is not the answer's, because it may name servers of yours.
//
// # What a request costs
//
// The header of each request is copied, since fasthttp uses its memory again, and a
// session may outlive its request. The store is asked when a handler first asks for
// the session, and not otherwise. Options.Error and the functions of Options.Adopt see
// the request's method, URL, host, header and context, and no body.
package fibersession
