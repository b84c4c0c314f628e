package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// flaw makes a bad store of a good one.
type flaw func(session.Store) session.Store

// flawed is a store with some of its methods replaced. What is nil is that of
// the store it wraps; LoadFresh is Load.
type flawed struct {
	session.Store
	load  func(context.Context, session.ID) (session.Record, error)
	save  saveFunc
	fresh func(context.Context, session.ID) (session.Record, error)
	list  func(context.Context) iter.Seq2[session.ID, error]
	shard func(session.ID) string
	probe func(context.Context, string) (string, error)

	shards func() []string
	pin    func(shard string) (session.Store, error)

	born sync.Once
	life int64
}

var lives atomic.Int64

type saveFunc = func(context.Context, session.ID, session.Record, session.Version) (session.Version, error)

func (f *flawed) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if f.load != nil {
		return f.load(ctx, id)
	}
	return f.Store.Load(ctx, id)
}

func (f *flawed) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if f.save != nil {
		return f.save(ctx, id, r, over)
	}
	return f.Store.Save(ctx, id, r, over)
}

func (f *flawed) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	if f.fresh != nil {
		return f.fresh(ctx, id)
	}
	return f.Load(ctx, id)
}

func (f *flawed) List(ctx context.Context) iter.Seq2[session.ID, error] {
	if f.list != nil {
		return f.list(ctx)
	}
	return f.Store.(session.Lister).List(ctx)
}

func (f *flawed) Shard(id session.ID) string {
	if f.shard != nil {
		return f.shard(id)
	}
	if p, ok := f.Store.(session.Prober); ok {
		return p.Shard(id)
	}
	return ""
}

// Probe of a store that is no Prober is that of a server with one shard, which
// is born when it is first asked.
func (f *flawed) Probe(ctx context.Context, shard string) (string, error) {
	if f.probe != nil {
		return f.probe(ctx, shard)
	}
	if p, ok := f.Store.(session.Prober); ok {
		return p.Probe(ctx, shard)
	}
	f.born.Do(func() { f.life = lives.Add(1) })
	if shard != "" {
		return "", errors.New("unknown shard")
	}
	return fmt.Sprint(f.life), ctx.Err()
}

// Shards of a store with names of its own for shards are none, unless it says more.
func (f *flawed) Shards() []string {
	switch {
	case f.shards != nil:
		return f.shards()
	case f.shard != nil:
		return nil
	}
	return []string{""}
}

func (f *flawed) Pin(shard string) (session.Store, error) {
	switch {
	case f.pin != nil:
		return f.pin(shard)
	case shard != "":
		return nil, errors.New("unknown shard")
	}
	return f, nil
}

// badSave is a flaw of Save without a memory.
func badSave(save func(session.Store, context.Context, session.ID, session.Record, session.Version) (session.Version, error)) flaw {
	return func(s session.Store) session.Store {
		return &flawed{Store: s, save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			return save(s, ctx, id, r, over)
		}}
	}
}

// badOver changes what a Save is made over.
func badOver(change func(stands bool, over session.Version) session.Version) flaw {
	return badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		_, err := s.Load(ctx, id)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return session.Absent, err
		}
		return s.Save(ctx, id, r, change(err == nil, over))
	})
}

// badRecord changes what is saved.
func badRecord(change func(r session.Record) session.Record) flaw {
	return badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		return s.Save(ctx, id, change(r), over)
	})
}

// badExpiry changes when a record expires, if it gives it any time at all.
func badExpiry(change func(left time.Duration) time.Duration) flaw {
	return badRecord(func(r session.Record) session.Record {
		if left := time.Until(r.Expires); left > 0 {
			r.Expires = time.Now().Add(change(left))
		}
		return r
	})
}

// badID changes the names of sessions.
func badID(change func(session.ID) session.ID) flaw {
	return func(s session.Store) session.Store {
		return &flawed{
			Store: s,
			load:  func(ctx context.Context, id session.ID) (session.Record, error) { return s.Load(ctx, change(id)) },
			save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
				return s.Save(ctx, change(id), r, over)
			},
		}
	}
}

// badContext changes the context of both methods.
func badContext(change func(context.Context) (context.Context, context.CancelFunc)) flaw {
	return func(s session.Store) session.Store {
		return &flawed{
			Store: s,
			load: func(ctx context.Context, id session.ID) (session.Record, error) {
				ctx, cancel := change(ctx)
				defer cancel()
				return s.Load(ctx, id)
			},
			save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
				ctx, cancel := change(ctx)
				defer cancel()
				return s.Save(ctx, id, r, over)
			},
		}
	}
}

// badError changes the errors of both methods.
func badError(change func(error) error) flaw {
	return func(s session.Store) session.Store {
		return &flawed{
			Store: s,
			load: func(ctx context.Context, id session.ID) (session.Record, error) {
				r, err := s.Load(ctx, id)
				return r, change(err)
			},
			save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
				v, err := s.Save(ctx, id, r, over)
				return v, change(err)
			},
		}
	}
}

// badOverOnce is badOver for sessions that it has saved before.
func badOverOnce(change func(stands bool, over session.Version) session.Version) flaw {
	return func(s session.Store) session.Store {
		var saved sync.Map
		bad := badOver(change)(s)
		return &flawed{Store: s, save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			if _, ok := saved.Load(id); ok {
				return bad.Save(ctx, id, r, over)
			}
			v, err := s.Save(ctx, id, r, over)
			if err == nil {
				saved.Store(id, true)
			}
			return v, err
		}}
	}
}

// badPast replaces a Save whose expiry has passed.
func badPast(save func(session.Store, context.Context, session.ID, session.Record, session.Version) (session.Version, error)) flaw {
	return badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		if r.Expires.IsZero() || r.Expires.After(time.Now()) {
			return s.Save(ctx, id, r, over)
		}
		return save(s, ctx, id, r, over)
	})
}

// badList changes what a list that has come to its end consists of.
func badList(change func([]session.ID) []session.ID) flaw {
	return func(s session.Store) session.Store {
		return &flawed{Store: s, list: func(ctx context.Context) iter.Seq2[session.ID, error] {
			return func(yield func(session.ID, error) bool) {
				var ids []session.ID
				var failed error
				for id, err := range s.(session.Lister).List(context.WithoutCancel(ctx)) {
					if failed = err; err == nil {
						ids = append(ids, id)
					}
				}
				if failed != nil {
					yield("", failed)
					return
				}
				slices.Sort(ids)
				for _, id := range change(ids) {
					if !yield(id, nil) {
						return
					}
					if ctx.Err() != nil {
						yield("", ctx.Err())
						return
					}
				}
			}
		}}
	}
}

// badEnd changes what a list does about errors.
func badEnd(list func(ctx context.Context, all iter.Seq2[session.ID, error], yield func(session.ID, error) bool)) flaw {
	return func(s session.Store) session.Store {
		return &flawed{Store: s, list: func(ctx context.Context) iter.Seq2[session.ID, error] {
			return func(yield func(session.ID, error) bool) {
				list(ctx, s.(session.Lister).List(context.WithoutCancel(ctx)), yield)
			}
		}}
	}
}
