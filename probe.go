package session

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/probe"
)

// probeStore is the store as package probe asks it.
type probeStore struct{ m *Manager }

func (p probeStore) Load(ctx context.Context, id string) (data []byte, found bool, err error) {
	r, err := p.m.ask(ctx, ID(id), true)
	if errors.Is(err, ErrNotFound) {
		return nil, false, nil
	}
	return r.Data, err == nil, err
}

func (p probeStore) Save(ctx context.Context, id string, data []byte, expires time.Time, over probe.Version) (probe.Version, bool, error) {
	v, err := p.m.store.Save(ctx, ID(id), Record{Data: data, Expires: expires}, over)
	return v, errors.Is(err, ErrConflict), err
}

func (p probeStore) Overwrite(ctx context.Context, id string, data []byte, expires time.Time) error {
	_, err := p.m.store.Save(ctx, ID(id), Record{Data: data, Expires: expires}, Any)
	return err
}

func (p probeStore) Shard(id string) string { return p.m.shard(ID(id)) }

func (p probeStore) Incarnation(ctx context.Context, shard string) (string, error) {
	if prober, ok := p.m.store.(Prober); ok {
		return prober.Probe(ctx, shard)
	}
	return "", nil
}

// look asks whether the shard answers, and whether it holds what it should:
// thoroughly, or by its canary alone.
func (s *shard) look(ctx context.Context, thoroughly bool) error {
	lost, known, err := s.probes.Look(ctx, thoroughly)
	if lost {
		s.forgot(ctx, known)
	}
	return err
}

// try saves as visitors do, and counts what came of it.
func (s *shard) try(ctx context.Context) error {
	return s.probes.Try(ctx, func(k probe.Kind, err error) {
		w := swapping
		if k == probe.Create {
			w = putting
		}
		switch {
		case err == nil:
			s.failures(w).Store(0)
		case ctx.Err() == nil:
			s.unable(ctx, w, err)
		}
	})
}
