// Package stores implements an interface without naming it.
package stores

import "house.test"

// Store keeps.
type Store struct{}

// Keep keeps.
func (*Store) Keep(string) error { return house.Error{} }

// Wash is called by nobody, and is no method of a Keeper.
func (*Store) Wash() {}
