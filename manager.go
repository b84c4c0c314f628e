package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/adoption"
	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/copies"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/logins"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
)

// Manager keeps the sessions of one application in one store. Any number of
// goroutines may use it.
type Manager struct {
	store       Store
	transport   transport.Transport
	hooks       Hooks
	answerError func(http.ResponseWriter, *http.Request, error) // Options.Error

	clock   *stamp.Clock
	shards  failover.Shards
	storage storage.Storage
	reader  lookup.Reader
	writer  commit.Writer
	library *adoption.Library // whose sessions Options.Adopt takes over; nil: none

	watch   transport.Watch
	logins  logins.Logins
	audit   audit.Log
	devices *devices.Index

	// Where there is a backup:
	backup  *copies.Settings // nil: none
	orders  Switch           // the operator's; nil: none
	copies  copies.Exchanger
	inUse   inuse.Sessions
	without mechanism.Set // for the simulation; else none
}

// now is the time by this instance's clock.
func (m *Manager) now() time.Time { return m.clock.Now() }

// checkID returns why id cannot be the name of a session.
func checkID(id ID) error {
	if id == "" {
		return ErrNoSession
	}
	if len(id) > 200 || strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("%.200q is no session ID: it has 1 to 200 printable ASCII characters and no blanks", id)
	}
	return nil
}

// Close waits until everything in the background is done, or ctx ends. With a
// Backup it delivers the writes that the store still lacks, and its error says how
// many did not arrive; with Backup.Dir these are in the file, for the next process,
// unless the error says otherwise, and where all arrived the file is removed. While the
// store is away Close waits as long as ctx lets it, so give it a deadline, of some
// seconds. Requests may go on, but expiries are not put off any more, a write that the
// store does not take then is in its visitor's cookies alone, and with a Backup the
// channels of Session.Done are closed.
func (m *Manager) Close(ctx context.Context) error {
	err := errors.Join(m.reader.Refreshes.Close(ctx), m.devices.Close(ctx))
	if m.backup == nil {
		return err
	}
	return errors.Join(err, m.shards.Close(ctx))
}

// tombstoneLife is how long the store keeps a dead session: longer than any
// copy of it can vouch, and than any request that loaded it while it lived can
// still write.
func (m *Manager) tombstoneLife() time.Duration {
	if m.backup == nil {
		return writersLeft
	}
	return m.backup.MaxLease + writersLeft
}

const writersLeft = 5 * time.Minute

// lease is how long a copy may vouch at present.
func (m *Manager) lease() time.Duration {
	return min(max(m.backup.Lease, m.override().Lease), m.backup.MaxLease)
}

// override returns what the operator wants now.
func (m *Manager) override() Override {
	if m.orders == nil {
		return Override{}
	}
	o := m.orders.Override()
	unknown := o.Mode > BackupOnly
	if unknown || o.Mode == StoreOnly && o.Shard != "" {
		o.Mode = Auto
	}
	return o
}

// fault tells the hook what is wrong with a copy.
func (m *Manager) fault(ctx context.Context, id string, kind backup.FaultKind, err error) {
	if m.hooks.Backup != nil {
		m.hooks.Backup(ctx, ID(id), BackupFault(kind), err)
	}
}
