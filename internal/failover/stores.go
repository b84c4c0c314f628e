package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
)

// probeStore is the store as package probe asks it.
type probeStore struct{ record.Store }

func (p probeStore) Save(ctx context.Context, id string, data []byte, expires time.Time, over probe.Version) (probe.Version, bool, error) {
	v, err := p.Store.Save(ctx, id, data, expires, over)
	return v, errors.Is(err, failure.ErrConflict), err
}

func (p probeStore) Overwrite(ctx context.Context, id string, data []byte, expires time.Time) error {
	_, err := p.Store.Save(ctx, id, data, expires, record.Any)
	return err
}

// memberStore is a shard of the store as package members asks it.
type memberStore struct {
	record.Store
	shard string
}

func (p memberStore) Load(ctx context.Context, id string) (data []byte, v members.Version, err error) {
	one, err := p.Pin(p.shard)
	if err != nil {
		return nil, v, err
	}
	r, err := one.Load(ctx, id, true)
	if errors.Is(err, failure.ErrNotFound) {
		return nil, v, nil
	}
	return r.Data, r.Version, err
}

func (p memberStore) Save(ctx context.Context, id string, data []byte, expires time.Time, over members.Version) (members.Version, bool, error) {
	one, err := p.Pin(p.shard)
	if err != nil {
		return members.Version{}, false, err
	}
	v, err := one.Save(ctx, id, data, expires, over)
	return v, errors.Is(err, failure.ErrConflict), err
}

// enough is how many IDs idIn tries: a shard that holds a thousandth of them has many.
const enough = 100_000

// idIn returns the first ID that begins with base and that the store places in a shard.
func idIn(store record.Store, shard, base string) (string, error) {
	for n := range enough {
		if id := recordid.Numbered(base, n); store.Shard(id) == shard {
			return id, nil
		}
	}
	return "", fmt.Errorf("session: no ID found in shard %s", shard)
}
