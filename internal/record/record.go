// Package record defines the records of a store, and the store itself, as the
// packages below package session use them.
package record

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// Version tells one write of a record from every other.
type Version = [16]byte

// The states that a save may be made over, besides the Version of a record.
var (
	Absent = Version{}                                      // there is no record
	Any    = Version{15: 0xff, 14: 0xff, 13: 0xff, 0: 0xff} // over any record or none
)

// Record is what a store holds under an ID.
type Record struct {
	Data    []byte
	Version Version
	Cached  bool // a cache has answered, and not the store itself
}

// Store is a session.Store with its optional methods. They are called concurrently.
type Store interface {
	// Load returns a record, or failure.ErrNotFound. Where fresh it asks past
	// the store's caches.
	Load(ctx context.Context, id string, fresh bool) (Record, error)

	// Save puts a record over a Version, Absent or Any, or returns
	// failure.ErrConflict.
	Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (Version, error)

	// Caches reports whether a Load that is not fresh may return an older record than the
	// store's.
	Caches() bool

	// Shard names the shard that holds id. It is empty where the store has none.
	Shard(id string) string

	// Shards names every shard of a store that pins, in order. It is empty where the
	// store decides by the ID alone which shard has a record.
	Shards() []string

	// Pin returns the store of one shard, whose records lie there whatever their IDs.
	// Where Shards is empty, it returns the store itself. It fails where the store has
	// no such shard.
	Pin(shard string) (Store, error)

	// Incarnation asks a shard for a string that changes when it may have lost its
	// data. It is empty where the store has none.
	Incarnation(ctx context.Context, shard string) (string, error)

	// Probes reports whether Incarnation asks the store.
	Probes() bool

	// Evictions asks a shard how many records its server has dropped before their time
	// since it started. It fails with errors.ErrUnsupported where the store cannot tell.
	Evictions(ctx context.Context, shard string) (uint64, error)
}

// Session is what a store answered to a load.
type Session struct {
	State      state.State // it may be dead
	Version    Version
	Cached     bool    // the store itself was not asked
	Unreadable Version // of a record that cannot be read

	// Noted is the last use as the record has it, in Unix milliseconds, if State has a later one
	// because a visitor may use the session now; else 0.
	Noted int64
}

// AsNoted returns s for a caller that does not use the session: as last used when the record
// says.
func (s Session) AsNoted() Session {
	if s.Noted != 0 {
		s.State.LastSeen, s.Noted = s.Noted, 0
	}
	return s
}

// Revive returns st with what is known of a session whose record the store lacks, or
// counts as expired because it lacks the last use.
func (s Session) Revive(st state.State) state.State {
	if s.Version == Absent {
		return st
	}
	return state.Join(s.State, st)
}
