// Package redistest starts a real redis-server for a test, and kills it, freezes it
// or restarts it empty.
//
// It works where redis-server does, which is everywhere but on Windows.
package redistest
