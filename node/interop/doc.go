// Package interop holds tests with real Node programs: Express and its session
// stores, from the folder app, beside Go programs on the same servers. They need
// what "make test-node" installs.
package interop
