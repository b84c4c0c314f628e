package session

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/record"
)

// recordStore is a Store as the packages below see it.
type recordStore struct{ Store }

func (s recordStore) Load(ctx context.Context, id string, fresh bool) (record.Record, error) {
	if f, ok := s.Store.(FreshLoader); ok && fresh {
		return recordOf(f.LoadFresh(ctx, ID(id)))
	}
	return recordOf(s.Store.Load(ctx, ID(id)))
}

func recordOf(r Record, err error) (record.Record, error) {
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

func (s recordStore) Evictions(ctx context.Context, shard string) (uint64, error) {
	if c, ok := s.Store.(EvictionCounter); ok {
		return c.Evictions(ctx, shard)
	}
	return 0, errors.ErrUnsupported
}

func (s recordStore) Probes() bool {
	_, ok := s.Store.(Prober)
	return ok
}

func (s recordStore) Shards() []string {
	if p, ok := s.Store.(Pinner); ok {
		return p.Shards()
	}
	return nil
}

func (s recordStore) Pin(shard string) (record.Store, error) {
	p, ok := s.Store.(Pinner)
	if !ok || len(p.Shards()) == 0 {
		return s, nil
	}
	one, err := p.Pin(shard)
	return recordStore{one}, err
}
