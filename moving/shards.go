package moving

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-go/session"
)

// A shard of a Store is one of the new store's and one of the old store's: a session may
// need both.
const (
	shardFrom = " (from "
	shardEnd  = ")"
)

// Shard implements [session.Prober].
func (s *Store) Shard(id session.ID) string {
	return s.to.shard(id) + shardFrom + s.from.shard(id) + shardEnd
}

// Probe implements [session.Prober]. It asks the new store's shard, then the old store's.
// Of a store that is no Prober it loads a record that there is not.
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	to, from, err := halves(shard)
	if err != nil {
		return "", err
	}
	newer, err := s.to.probe(ctx, to)
	if err != nil {
		return "", fmt.Errorf("the new store: %w", err)
	}
	older, err := s.from.probe(ctx, from)
	if err != nil {
		return "", fmt.Errorf("the old store: %w", err)
	}
	return newer + "/" + older, nil
}

// Evictions implements [session.EvictionCounter]. It counts those of both stores. A store
// that does not say how many they are counts as none, unless neither does.
func (s *Store) Evictions(ctx context.Context, shard string) (uint64, error) {
	to, from, err := halves(shard)
	if err != nil {
		return 0, err
	}
	newer, errNew := s.to.evictions(ctx, to)
	older, errOld := s.from.evictions(ctx, from)
	if errNew != nil && errOld != nil {
		return 0, errors.Join(errNew, errOld)
	}
	return newer + older, nil
}

func halves(shard string) (to, from string, err error) {
	to, rest, ok := strings.Cut(shard, shardFrom)
	from, ended := strings.CutSuffix(rest, shardEnd)
	if !ok || !ended {
		return "", "", fmt.Errorf("session: moving: no session has shard %q", shard)
	}
	return to, from, nil
}

func (s store) shard(id session.ID) string {
	if p, ok := s.Store.(session.Prober); ok {
		return p.Shard(id)
	}
	return ""
}

func (s store) probe(ctx context.Context, shard string) (string, error) {
	if p, ok := s.Store.(session.Prober); ok {
		return p.Probe(ctx, shard)
	}
	if shard != "" {
		return "", fmt.Errorf("session: moving: no session has shard %q", shard)
	}
	_, err := s.Load(ctx, "moving-probe")
	if errors.Is(err, session.ErrNotFound) {
		err = nil
	}
	return "", err
}

func (s store) evictions(ctx context.Context, shard string) (uint64, error) {
	if c, ok := s.Store.(session.EvictionCounter); ok {
		return c.Evictions(ctx, shard)
	}
	return 0, errors.ErrUnsupported
}
