package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
)

// Manager keeps the sessions of one application in one store. Any number of
// goroutines may use it.
type Manager struct {
	store     Store
	options   Options
	transport transport.Transport
	hooks     Hooks

	clock   *stamp.Clock
	shards  failover.Shards
	storage storage.Storage
	reader  lookup.Reader
	writer  commit.Writer

	// Where there is a backup:
	backup  *Backup // nil: none
	copies  *backup.Cookies
	slots   jar.Slots
	inUse   inuse.Sessions
	without mechanism.Set // for the simulation; else none
}

// now is the time by this instance's clock.
func (m *Manager) now() time.Time { return m.clock.Now() }

// New returns a Manager that keeps sessions in store. Nil Options are the
// defaults. It does not wait for the store; its error names every mistake it
// finds in the options. A Manager with a Backup watches the store in the
// background until Close.
func New(store Store, o *Options) (*Manager, error) { return newManager(store, o, func(*Manager) {}) }

// newManager is New with a last word before anything runs, for tests.
func newManager(store Store, o *Options, adjust func(*Manager)) (*Manager, error) {
	m := &Manager{store: store, clock: stamp.New()}
	if o != nil {
		m.options = *o
	}
	if err := m.options.complete(store); err != nil {
		return nil, err
	}
	m.hooks = m.options.Hooks
	m.transport = m.options.transport()
	if m.options.Backup != nil {
		m.backup = m.options.Backup
		m.copies = m.backup.cookies(m.options.Cookie, m.options.Format != nil)
	}
	adjust(m)
	m.connect()
	return m, nil
}

// Revoke ends the session id at once and for good, for every client that has its
// token, and the sessions that Rotate has made of it since. Under an id without a
// session none can begin afterwards. On ErrUnavailable it may or may not have
// happened.
//
// A record of the library's own is no session: nothing happens to it, and the
// answer is Durable. So all that a Lister yields may be revoked in a loop.
func (m *Manager) Revoke(ctx context.Context, id ID) (Durability, error) {
	if id == "" {
		return 0, fmt.Errorf("session: revoke: %w", ErrNoSession)
	}
	if len(id) > 200 || strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return 0, fmt.Errorf("session: revoke: %q is no ID", id)
	}
	if recordid.Reserved(string(id)) {
		return Durable, nil
	}
	ctx = context.WithoutCancel(ctx)
	t := journal.IfLive(string(id), m.clock.Death(state.Revoked))
	d, _, err := m.writer.End(ctx, &t, record.Any)
	return Durability(d), err
}

// Close waits until everything in the background is done, or ctx ends. With a
// Backup it delivers the writes that the store still lacks, and its error says how
// many did not arrive. Requests may go on, but expiries are not put off any more,
// and a write that the store does not take then is in its visitor's cookies alone.
func (m *Manager) Close(ctx context.Context) error {
	err := m.reader.Refreshes.Close(ctx)
	if m.backup == nil {
		return err
	}
	return errors.Join(err, m.shards.Close(ctx))
}

// answer is the default of Options.Error.
func answer(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	text := "session failed"
	switch {
	case errors.Is(err, ErrNoSession):
		text = "session required"
	case errors.Is(err, ErrEnded):
		w.Header().Set("Retry-After", "1")
		text = "session has just ended, try again"
	case errors.Is(err, ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		text = "session unavailable, try again"
	}
	http.Error(w, text, Status(err))
}
