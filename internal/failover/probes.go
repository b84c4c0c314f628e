package failover

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/record"
)

// probeStore is the store as package probe asks it.
type probeStore struct{ record.Store }

func (p probeStore) Load(ctx context.Context, id string) (data []byte, found bool, err error) {
	r, err := p.Store.Load(ctx, id, true)
	if errors.Is(err, failure.ErrNotFound) {
		return nil, false, nil
	}
	return r.Data, err == nil, err
}

func (p probeStore) Save(ctx context.Context, id string, data []byte, expires time.Time, over probe.Version) (probe.Version, bool, error) {
	v, err := p.Store.Save(ctx, id, data, expires, over)
	return v, errors.Is(err, failure.ErrConflict), err
}

func (p probeStore) Overwrite(ctx context.Context, id string, data []byte, expires time.Time) error {
	_, err := p.Store.Save(ctx, id, data, expires, record.Any)
	return err
}
