package session

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// connect turns the options into what the packages below need, among it how long a
// tombstone lives and for how long a copy vouches, gives each of them the others, and
// begins to watch the store.
func (m *Manager) connect() {
	o, store := &m.options, recordStore{m.store}
	format := m.transport.Format
	m.shards.Backend = &m.storage
	m.shards.Store = store
	m.shards.Clock = m.clock
	m.shards.Hooks = m.hooks.ofShards()
	m.shards.Foreign = m.foreign()
	m.shards.InUse = &m.inUse
	m.shards.ReadTimeout = o.ReadTimeout
	m.shards.SaveTimeout = o.SaveTimeout
	m.shards.TombstoneLife = m.tombstoneLife()
	m.shards.Lifetime = o.Lifetime

	m.storage.Store = store
	m.storage.Shards = &m.shards
	m.storage.Format = format
	m.storage.Clock = m.clock
	m.storage.ReadTimeout = o.ReadTimeout
	m.storage.SaveTimeout = o.SaveTimeout
	m.storage.Idle = o.Idle
	m.storage.Refresh = o.Refresh
	m.storage.TombstoneLife = m.tombstoneLife()

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
	m.writer.Lifetime = o.Lifetime
	if hook := m.hooks.Conflict; hook != nil {
		m.writer.Conflict = func(ctx context.Context, id string, attempt int) { hook(ctx, ID(id), attempt) }
	}
	if m.backup != nil {
		m.connectBackup()
	}
	m.shards.Start(firstIDs)
}

// connectBackup is the part of connect for a Manager with a backup.
func (m *Manager) connectBackup() {
	m.shards.JournalBytes = m.backup.Journal
	m.shards.RestoreRate = m.backup.Restores
	m.shards.Vouches = m.reader.CopyVouches
	m.shards.Mode = func() circuit.Mode { return circuit.Mode(m.override().Mode) }
	m.shards.Without = m.without
	m.storage.Without = m.without

	m.reader.Backup = true
	m.reader.Mode = func() decide.Mode { return decide.Mode(m.override().Mode) }
	m.reader.Lease = m.lease
	m.reader.Stale = func(ctx context.Context, id string) { m.fault(ctx, ID(id), BackupStale, failure.ErrStale) }
	m.reader.Without = m.without

	m.writer.Copies = m.transport.Header == ""
	m.writer.CheckRoom = func(c state.Copy) error { return m.copies.CheckRoom(c, m.now(), m.backup.Copy) }
	m.writer.StoreOnly = func() bool { return m.override().Mode == StoreOnly }
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
	if m.options.Switch == nil {
		return Override{}
	}
	o := m.options.Switch.Override()
	if o.Mode > BackupOnly {
		o.Mode = Auto // no mode that there is
	}
	return o
}

// firstIDs yields IDs by which all shards are met, as there are few.
func firstIDs(yield func(string) bool) {
	for n := range 256 {
		if !yield(recordid.Canary(n)) {
			return
		}
	}
}

// recordStore is a Store as the packages below see it.
type recordStore struct{ Store }

func (s recordStore) Load(ctx context.Context, id string, fresh bool) (record.Record, error) {
	load := s.Store.Load
	if f, ok := s.Store.(FreshLoader); ok && fresh {
		load = f.LoadFresh
	}
	r, err := load(ctx, ID(id))
	return record.Record{Data: r.Data, Version: record.Version(r.Version), Cached: r.Cached}, err
}

func (s recordStore) Save(ctx context.Context, id string, data []byte, expires time.Time, over record.Version) (record.Version, error) {
	v, err := s.Store.Save(ctx, ID(id), Record{Data: data, Expires: expires}, Version(over))
	return record.Version(v), err
}

func (s recordStore) Caches() bool {
	_, ok := s.Store.(FreshLoader)
	return ok
}

func (s recordStore) Shard(id string) string {
	if p, ok := s.Store.(Prober); ok {
		return p.Shard(ID(id))
	}
	return ""
}

func (s recordStore) Incarnation(ctx context.Context, shard string) (string, error) {
	if p, ok := s.Store.(Prober); ok {
		return p.Probe(ctx, shard)
	}
	return "", nil
}

func (s recordStore) Probes() bool {
	_, ok := s.Store.(Prober)
	return ok
}

// ofShards returns the hooks as package failover calls them.
func (h Hooks) ofShards() failover.Hooks {
	out := failover.Hooks{Down: h.Down, Forgot: h.Forgot}
	outage := func(hook func(context.Context, Outage)) func(context.Context, failover.Outage) {
		if hook == nil {
			return nil
		}
		return func(ctx context.Context, o failover.Outage) {
			hook(ctx, Outage{
				Shard: o.Shard, Since: o.Since, Duration: o.Duration, Err: o.Err, backup: o.Backup,
				States: o.States, Tombstones: o.Tombstones, Delivered: o.Delivered, Lost: o.Lost,
			})
		}
	}
	out.StillDown = outage(h.StillDown)
	out.Up = outage(h.Up)
	out.Settled = outage(h.Settled)
	if h.Failed != nil {
		out.Failed = func(ctx context.Context, shard string, operation failover.Operation, id string, err error) {
			h.Failed(context.WithValue(ctx, failedShard{}, shard), Operation(operation), ID(id), err)
		}
	}
	if h.Overflow != nil {
		out.Overflow = func(ctx context.Context, id string) { h.Overflow(ctx, ID(id)) }
	}
	if h.Dropped != nil {
		out.Dropped = func(ctx context.Context, id string, err error) { h.Dropped(ctx, ID(id), err) }
	}
	return out
}
