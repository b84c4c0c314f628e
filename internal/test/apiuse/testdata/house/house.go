// Package house is a root package whose names are used in every way there is, or
// not at all.
package house

import "fmt"

// Door is used by the names of its members.
type Door struct {
	Width  int // by a selector
	Height int // by a literal
	Depth  int // unused
	hidden int
}

// Open is used.
func (d *Door) Open() { d.hidden++ }

// Shut is used by tests and internal packages only.
func (*Door) Shut() {}

// String is called by package fmt.
func (*Door) String() string { return "door" }

// Room is generic, and used by an instance.
type Room[T any] struct{ Inside T }

// Enter is used.
func (r Room[T]) Enter() T { return r.Inside }

// Leave is unused.
func (r Room[T]) Leave() {}

// Color is used by a value that has it.
type Color int

// Red is used by an example, Blue only here.
const (
	Red Color = iota
	Blue
)

// Paint returns a Color without its name.
func Paint() Color { return Blue }

// Shape is only where the house itself has it.
type Shape int

var Square Shape

// Keeper is implemented by a store.
type Keeper interface{ Keep(string) error }

// Loser is implemented by nobody.
type Loser interface{ Lose(string) error }

// Error types have a well-known method.
type Error struct{}

func (Error) Error() string { return fmt.Sprint(Square) }
