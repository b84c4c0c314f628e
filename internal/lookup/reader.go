package lookup

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/running"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
)

// Reader reads the sessions of one store. Its exported fields are set before the
// first call; from then on any number of goroutines may use it.
type Reader struct {
	Storage *storage.Storage
	Shards  *failover.Shards
	Clock   *stamp.Clock
	Foreign bool // other programs write the records too
	InUse   *inuse.Sessions

	Audit *audit.Log // hears of ends that are seen here; nil: they are not reported

	OnRefresh func(before, after state.Copy) // called for a session whose expiry was put off, or that was adopted; may be nil

	// With a backup:
	Backup  bool
	Mode    func() decide.Mode                   // the operator's mode
	Lease   func() time.Duration                 // how long a copy may vouch at present
	Stale   func(ctx context.Context, id string) // called for a copy that was needed and does not vouch
	Without mechanism.Set                        // for the simulation; else none

	Degraded  atomic.Uint64 // loads that were answered from a copy
	Refreshed atomic.Uint64 // saves that only put an expiry off

	Refreshes running.Set // expiry refreshes in the background
}

// CopyVouches reports whether the session may live by c alone.
func (r *Reader) CopyVouches(c state.Copy) bool { return r.vouches(&c, r.Clock.Now()) }

func (r *Reader) vouches(c *state.Copy, now time.Time) bool {
	return now.UnixMilli() < c.Confirmed+r.Lease().Milliseconds() && !r.Storage.Expired(c.State, now)
}
