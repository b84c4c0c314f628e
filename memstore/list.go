package memstore

import (
	"context"
	"iter"
	"time"

	"github.com/holdfast-go/session"
)

// List implements [session.Lister]. It looks at a 64th of the store at a time,
// and holds no lock while it yields: the loop may load and save.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		for i := range s.shards {
			for _, id := range s.shards[i].ids() {
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				if !yield(id, nil) {
					return
				}
			}
		}
	}
}

func (sh *shard) ids() []session.ID {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	now := time.Now().UnixNano()
	ids := make([]session.ID, 0, len(sh.records))
	for id, r := range sh.records {
		if now < r.expires {
			ids = append(ids, id)
		}
	}
	return ids
}
