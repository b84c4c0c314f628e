package failover

import (
	"context"
	"time"
)

// Hooks are functions that package failover calls, in its callers' goroutines and
// its own. Each may be nil. Package session documents them under the same names.
type Hooks struct {
	Down      func(ctx context.Context, shard string, err error)
	StillDown func(ctx context.Context, o Outage)
	Up        func(ctx context.Context, o Outage)
	Settled   func(ctx context.Context, o Outage)
	Forgot    func(ctx context.Context, shard string)
	Evicted   func(ctx context.Context, shard string, records uint64)
	Early     func(ctx context.Context, tombstones int)
	Failed    func(ctx context.Context, shard string, operation Operation, id string, err error)
	Overflow  func(ctx context.Context, id string)
	Dropped   func(ctx context.Context, id string, err error)
}

// Operation names what the store was asked to do, in a word that fits a metric's
// label.
type Operation string

// The operations.
const (
	Load    Operation = "load"
	Save    Operation = "save"
	Refresh Operation = "refresh"
	Deliver Operation = "deliver"
)

// Outage is a time in which a shard is away. The numbers are zero without a backup.
type Outage struct {
	Shard    string
	Since    time.Time
	Duration time.Duration // until now
	Err      error         // what the shard answered last; nil when it is back
	Backup   bool          // there is one

	States     int    // states that the shard still lacks
	Tombstones int    // tombstones that it still lacks
	Delivered  uint64 // entries delivered since the outage began
	Lost       uint64 // entries lost since then
}

// waiting returns how much the shard still lacks.
func (o Outage) waiting() int { return o.States + o.Tombstones }

// Durability says how far a write has come.
type Durability uint8

// How far a write has come.
const (
	Durable Durability = iota + 1 // it is in the store
	Pending                       // it waits for the store
)
