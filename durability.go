package session

import "github.com/holdfast-go/session/internal/words"

// Durability says how far a write has come.
type Durability uint8

// The degrees of durability.
const (
	// Durable says that the write has arrived in the store.
	Durable Durability = iota + 1

	// Pending says that the write has not reached all of the store that needs it. It waits
	// in this process, in Backup.Dir if that is set, and, for the request's own session, in
	// the cookies of the answer. From there it is delivered when the store takes it.
	Pending
)

var durabilities = words.Of[Durability]{Type: "Durability", Noun: "durability", Words: []string{Durable: "durable", Pending: "pending"}}

func (d Durability) String() string { return durabilities.String(d) }

// MarshalText returns the words that String has: "durable" or "pending".
func (d Durability) MarshalText() ([]byte, error) { return durabilities.Marshal(d) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (d *Durability) UnmarshalText(word []byte) error { return durabilities.Unmarshal(word, d) }
