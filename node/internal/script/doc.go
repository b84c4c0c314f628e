// Package script runs the handlers that stand in the test vectors, which are
// pieces of JavaScript, against objects that a test makes. It knows as much of
// the language as such handlers use, and says what it does not know.
//
// Promises are not there: await takes the value that it is given, and an async
// function returns at once.
package script
