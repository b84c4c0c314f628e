package failover

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// layout describes which sessions are on which shards of a store that is a Pinner, as this
// process sees it. Instances differ in it for as long as their lists of servers do.
//
// A tombstone goes into the log of the shard that has it by this process's layout. Another
// instance may not know that shard, and look for the session in another one. So, as long as
// there is a member with another layout, and for a tombstone's life after, each tombstone goes
// into the log of every shard.
type layout struct {
	own   atomic.Uint64 // hash of this process's layout; 0: the store does not pin
	began time.Time     // when this process began to watch the store
	heard atomic.Bool   // the logs of all shards were read, or looked for once

	mu    sync.Mutex   // held for writes of until
	until atomic.Int64 // Unix milliseconds: until when tombstones go into the logs of all shards
}

const (
	// samples is for how many IDs the hash of a layout covers the shards.
	samples = 256

	// firstReads is how long a process that has just started waits for logs that cannot be
	// read: for those of a shard before it serves sessions of that shard, and for those of all
	// shards before it restores a session.
	firstReads = 10 * time.Second
)

// otherShards is a walk through the revocation set, which puts the tombstones of other shards
// into the log of one.
type otherShards struct {
	from [revoked.Unnumbered + 1]bool // whether it takes tombstones from the log with this number
	at   revoked.Cursor               // only the delivery loop uses it
}
