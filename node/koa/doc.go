// Package koa reads and writes what three Koa packages have in browsers and in
// stores: [Session] is that of koa-session 7.0.2, in a cookie or in a store,
// [Record] that of koa-generic-session 2.3.1 and koa-simple-session 1.0.3.
//
// All sign their cookies by keygrip, with the keys of the application, which
// cookies.Jar does. The sessions of the one are none of the other's, nor of
// Express'.
package koa
