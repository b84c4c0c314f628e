package session

import (
	"context"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/copies"
	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/inlink"
	"github.com/holdfast-go/session/internal/logins"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
)

// New returns a Manager that keeps sessions in store. Nil Options are the
// defaults. It does not wait for the store; its error names every mistake it
// finds in the options. A Manager with a Backup watches the store in the
// background until Close.
func New(store Store, o *Options) (*Manager, error) { return newManager(store, o, func(*Manager) {}) }

// newManager is New for tests: adjust changes the Manager before anything runs.
func newManager(store Store, o *Options, adjust func(*Manager)) (*Manager, error) {
	var options Options
	if o != nil {
		options = *o
	}
	if err := options.complete(store); err != nil {
		return nil, err
	}
	m := &Manager{
		store: store, clock: stamp.New(), hooks: options.Hooks, answerError: options.Error,
		backup: (*copies.Settings)(options.Backup), orders: options.Switch,
	}
	format, _ := options.Format.(foreign.Format)
	m.transport.Configure(transport.Attributes(options.Cookie), options.Header, format)
	m.transport.LinkBy((*inlink.Config)(options.InsecureURLToken), m.now)
	m.watch.PlainHTTP, m.watch.InsecureOverTLS = options.Hooks.PlainHTTP, options.Hooks.InsecureOverTLS
	adjust(m)
	if err := m.connect(&options); err != nil {
		return nil, err
	}
	return m, nil
}

// connect sets up the packages below from the options, with how long a tombstone lives
// and how long a copy vouches, connects them with each other, and begins to watch the
// store. It fails where the file of Backup.Dir cannot be made.
func (m *Manager) connect(o *Options) error {
	store := recordStore{m.store}
	m.shards.Backend = &m.storage
	m.shards.Store = store
	m.shards.Clock = m.clock
	m.shards.Hooks = m.hooks.ofShards()
	m.shards.Foreign = m.foreign()
	m.shards.InUse = &m.inUse
	m.shards.ReadTimeout = o.ReadTimeout
	m.shards.SaveTimeout = o.SaveTimeout
	m.shards.TombstoneLife = m.tombstoneLife()
	m.shards.Lifetime = o.MaxLifetime

	m.storage.Store = store
	m.storage.Shards = &m.shards
	m.storage.Format = m.transport.Format
	m.storage.Clock = m.clock
	m.storage.ReadTimeout = o.ReadTimeout
	m.storage.SaveTimeout = o.SaveTimeout
	m.storage.Stay = storage.Stay{Idle: o.Idle, Refresh: o.Refresh, Lifetime: o.Lifetime, MaxLifetime: o.MaxLifetime, Persistent: o.Cookie.Persistent}
	m.storage.TombstoneLife = m.tombstoneLife()
	m.storage.UserLife = o.MaxLifetime + m.tombstoneLife()

	m.reader.Storage = &m.storage
	m.reader.Shards = &m.shards
	m.reader.Clock = m.clock
	m.reader.Foreign = m.foreign()
	m.reader.InUse = &m.inUse

	m.writer.Reader = &m.reader
	m.writer.Storage = &m.storage
	m.writer.Shards = &m.shards
	m.writer.Clock = m.clock
	m.writer.NewToken = m.transport.NewToken
	if hook := m.hooks.Conflict; hook != nil {
		m.writer.Conflict = func(ctx context.Context, id string, attempt int) { hook(ctx, ID(id), attempt) }
	}
	m.hooks.setAudit(&m.audit)
	m.reader.Audit = &m.audit
	m.logins = logins.Logins{Shards: &m.shards, Clock: m.clock, Foreign: m.foreign(), Backup: m.backup != nil, Audit: &m.audit}
	if hook := m.hooks.Revoked; hook != nil {
		m.logins.Revoked = func(ctx context.Context, user string, d failover.Durability) { hook(ctx, user, Durability(d)) }
	}
	if o.Adopt != nil {
		m.library = o.Adopt.library(m)
	}
	if m.backup != nil {
		if err := m.connectBackup(o); err != nil {
			return err
		}
	}
	m.devices = devices.New(&m.reader, &m.writer, devices.Limit(o.PerUser))
	m.reader.OnRefresh, m.logins.Listed = m.devices.Refreshed, m.devices.Renewed
	m.shards.Start(recordid.Spread)
	return nil
}

// connectBackup is the part of connect for a Manager with a backup.
func (m *Manager) connectBackup(o *Options) (err error) {
	m.shards.JournalBytes = m.backup.Journal
	m.shards.Revocations = 64 << 20
	m.shards.RestoreRate = m.backup.Restores
	m.shards.Vouches = m.reader.CopyVouches
	m.shards.Mode = func(shard string) circuit.Mode { return circuit.Mode(m.override().of(shard)) }
	m.shards.Without = m.without
	m.storage.Without = m.without

	m.reader.Backup = true
	m.reader.Mode = func() decide.Mode { return decide.Mode(m.override().of("")) }
	m.reader.Lease = m.lease
	m.reader.Stale = func(ctx context.Context, id string) { m.fault(ctx, id, backup.Stale, failure.ErrStale) }
	m.reader.Without = m.without

	m.writer.Copies = m.transport.Header == ""
	m.writer.CheckRoom = m.copies.CheckRoom
	m.writer.StoreOnly = func() bool { return m.override().Mode == StoreOnly }

	m.copies.Configure(m.backup, &m.transport, o.Idle)
	m.copies.Clock = m.clock
	m.copies.Shards = &m.shards
	m.copies.InUse = &m.inUse
	m.copies.Storage = &m.storage
	m.copies.StoreOnly = m.writer.StoreOnly
	m.copies.Fault = m.fault
	m.copies.Without = m.without
	m.shards.Spool, err = m.backup.OpenSpool(m.copies.Cookies.Copies.Audience, func(f spool.Fault, err error) {
		if hook := m.hooks.JournalFile; hook != nil {
			hook(context.Background(), FileFault(f), err)
		}
	})
	return err
}
