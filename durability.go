package session

import "fmt"

// Durability says how far a write has come.
type Durability uint8

// The degrees of durability.
const (
	// Durable says that the write has arrived in the store.
	Durable Durability = iota + 1

	// Pending says that the store did not take the write. It travels in the
	// visitor's backup, and is delivered when the store is back.
	Pending
)

func (d Durability) String() string {
	switch d {
	case Durable:
		return "durable"
	case Pending:
		return "pending"
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}
