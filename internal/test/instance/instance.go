// Package instance is one instance of the library without HTTP: what package session
// connects, over a store in memory that fails as a test says. The tests of the
// packages below the session use it, in the time of testing/synctest.
package instance

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/token"
)

// The options that every Instance begins with.
const (
	ReadTimeout   = 50 * time.Millisecond
	SaveTimeout   = 100 * time.Millisecond
	Idle          = 20 * time.Minute
	Refresh       = Idle / 10
	Lifetime      = 30 * 24 * time.Hour
	MaxLifetime   = 2 * Lifetime
	Lease         = 5 * time.Minute
	TombstoneLife = Lease + 5*time.Minute
)

// Instance is one instance over a store.
type Instance struct {
	Store   *Store
	Clock   *stamp.Clock
	Shards  failover.Shards
	Storage storage.Storage
	Reader  lookup.Reader
	Writer  commit.Writer

	Room  func(state.Copy) error // nil: cookies take every copy
	Stale func(id string)        // nil: nobody is told

	ordered   atomic.Uint32          // the circuit.Mode
	onlyShard atomic.Pointer[string] // the shard that it is about; nil: all
}

// New returns an instance over the store, whose quarantine is over, 10 ms after a
// probe. For adjust see [Start].
func New(t testing.TB, store *Store, backup bool, adjust func(*Instance)) *Instance {
	t.Helper()
	i := Start(t, store, backup, adjust)
	time.Sleep(time.Minute + 10*time.Millisecond) // between two probes
	return i
}

// Start returns an instance that has just begun to watch the store. adjust may change it
// before it begins; nil changes nothing.
func Start(t testing.TB, store *Store, backup bool, adjust func(*Instance)) *Instance {
	t.Helper()
	i := &Instance{Store: store, Clock: stamp.New()}
	watched := watched{store}
	i.Shards.Backend = &i.Storage
	i.Shards.Store = watched
	i.Shards.Clock = i.Clock
	i.Shards.ReadTimeout = ReadTimeout
	i.Shards.SaveTimeout = SaveTimeout
	i.Shards.TombstoneLife = TombstoneLife

	i.Storage.Store = watched
	i.Storage.Shards = &i.Shards
	i.Storage.Clock = i.Clock
	i.Storage.ReadTimeout = ReadTimeout
	i.Storage.SaveTimeout = SaveTimeout
	i.Storage.Stay = storage.Stay{Idle: Idle, Refresh: Refresh, Lifetime: Lifetime, MaxLifetime: MaxLifetime}
	i.Storage.TombstoneLife = TombstoneLife

	i.Reader.Storage = &i.Storage
	i.Reader.Shards = &i.Shards
	i.Reader.Clock = i.Clock

	i.Writer.Reader = &i.Reader
	i.Writer.Storage = &i.Storage
	i.Writer.Shards = &i.Shards
	i.Writer.Clock = i.Clock
	i.Writer.NewToken = func(context.Context) token.Token { return token.New() }
	if backup {
		i.withBackup()
	}
	if adjust != nil {
		adjust(i)
	}
	i.Shards.Start(firstIDs)
	t.Cleanup(func() {
		ended, end := context.WithCancel(context.Background())
		end()
		_ = i.Shards.Close(ended) // what is left then is no concern of the test
	})
	return i
}

// Test runs do as a subtest in virtual time, on a new instance over a store of its own.
// For backup and adjust see [New].
func Test(t *testing.T, name string, backup bool, adjust func(*Instance), do func(t *testing.T, i *Instance)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			do(t, New(t, new(Store), backup, adjust))
		})
	})
}

// Order sets the operator's mode.
func (i *Instance) Order(m circuit.Mode) { i.ordered.Store(uint32(m)) }

// OrderOf sets the operator's mode for one shard; the others are as in circuit.Auto.
func (i *Instance) OrderOf(shard string, m circuit.Mode) {
	i.onlyShard.Store(&shard)
	i.Order(m)
}

// mode is the operator's for a shard; that for all of them where the name is empty.
func (i *Instance) mode(shard string) circuit.Mode {
	if only := i.onlyShard.Load(); only != nil && *only != shard {
		return circuit.Auto
	}
	return circuit.Mode(i.ordered.Load())
}

func (i *Instance) withBackup() {
	i.Shards.JournalBytes = 1 << 20
	i.Shards.Revocations = 1 << 20
	i.Shards.RestoreRate = 100
	i.Shards.Vouches = i.Reader.CopyVouches
	i.Shards.Mode = i.mode

	i.Reader.InUse = new(inuse.Sessions)
	i.Shards.InUse = i.Reader.InUse
	i.Reader.Backup = true
	i.Reader.Mode = func() decide.Mode { return decide.Mode(i.mode("")) }
	i.Reader.Lease = func() time.Duration { return Lease }
	i.Reader.Stale = func(_ context.Context, id string) {
		if i.Stale != nil {
			i.Stale(id)
		}
	}

	i.Writer.Copies = true
	i.Writer.CheckRoom = func(c state.Copy, _ int) error {
		if i.Room == nil {
			return nil
		}
		return i.Room(c)
	}
	i.Writer.StoreOnly = func() bool { return i.mode("") == circuit.StoreOnly }
}

// firstIDs yields IDs by which all shards are met.
func firstIDs(yield func(string) bool) {
	for n := range 256 {
		if !yield(recordid.Numbered(recordid.Members, n)) {
			return
		}
	}
}

// watched is a Store with the part of record.Store whose name a field has.
type watched struct{ *Store }

var _ record.Store = watched{}

func (w watched) Incarnation(_ context.Context, shard string) (string, error) {
	if w.Store.Incarnation == nil {
		return "", nil
	}
	return w.Store.Incarnation(shard)
}

func (w watched) Evictions(_ context.Context, shard string) (uint64, error) {
	if w.Evicted == nil {
		return 0, errors.ErrUnsupported
	}
	return w.Evicted(shard)
}

func (w watched) Shards() []string { return nil }

func (w watched) Pin(string) (record.Store, error) { return w, nil }

func (w watched) Probes() bool { return w.Store.Incarnation != nil }
