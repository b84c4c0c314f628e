// Package redistest starts a real redis-server for a test, and takes it away
// in the ways servers go away: killed, frozen, restarted empty.
//
// It works where redis-server does, which is everywhere but on Windows.
package redistest
