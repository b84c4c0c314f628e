// Package koa reads and writes the sessions of three Koa packages, in browsers and
// in stores. [Session] is a session of koa-session 7.0.2, in a cookie or in a store.
// [Record] is one of koa-generic-session 2.3.1 and koa-simple-session 1.0.3.
//
// All three sign their cookies by keygrip, with the keys of the application, as
// cookies.Jar does. None of them can read the sessions of another, or of Express.
package koa
