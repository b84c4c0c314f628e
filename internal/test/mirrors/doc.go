// Package mirrors tests mirrorstore on real servers of every kind: the contract of a store, and
// visitors while one of the two servers fails. It is a module of its own because no other one
// knows all stores.
package mirrors
