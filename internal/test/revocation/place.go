// Package revocation tests on real servers that a durable logout holds at every connected
// instance, whatever the store loses two seconds later: a thief who copied the cookies
// before the logout, and renews wherever an instance lets the thief in, is refused.
//
// A [Place] is a store and what it can lose, a [Loss]. [Run] lets each of them happen
// (run.go); instance.go has the processes, and thief.go the application and the visitors'
// cookies.
//
// [Users] is a storm of users with several sessions each, who end them (users.go, person.go).
package revocation

import (
	"flag"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

var (
	victims = flag.Int("victims", 20, "visitors who log out before each loss; their thieves try 50 times each")
	known   = flag.Int("known", 5000, "tombstones that the instances know besides, where a loss is with many")
)

// Place is a store on servers that its test has started.
type Place struct {
	// Open returns the store as an instance sees it that starts now, by connections of its
	// own.
	Open func(t testing.TB) Store

	// Delete takes the record of a session out of the store, by the server's own command.
	Delete func(t testing.TB, id session.ID)

	Refresh time.Duration // of the instances' Options
}

// Store is a store that tells when it is back.
type Store interface {
	session.Store
	session.Prober
}

// Loss is a way to lose the tombstones of logouts that were durable.
type Loss struct {
	Name string

	// Start starts the servers.
	Start func(t testing.TB) (Place, Steps)

	Known   bool // the instances know many other tombstones
	Replace When // the instance that took the logouts is replaced by a new one
}

// When is when an instance is replaced.
type When int

// The times of a replacement.
const (
	Never  When = iota
	Before      // the loss, which comes when the new instance has read the logs
	After       // the loss
)

// Steps are what happens to the servers of a [Loss]. Each may be nil.
type Steps struct {
	// Change changes the layout of the store when the first instance has started and the
	// others have not. The visitors log out at the first one and at another in turn then.
	Change func()

	Before func()                            // when the visitors have logged in, before they log out
	Lose   func(all []*Instance, ids IDs)    // two seconds after the last logout
	Check  func(t testing.TB, all []*Victim) // after Lose
}

// IDs are those of the sessions that have ended.
type IDs []session.ID
