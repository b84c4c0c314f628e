package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// lock is a mutex that one may wait for no longer than a context lasts.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) leave() { <-l }

// badVersions replaces the Versions of a store by those of a scheme, which is
// told how many writes there were before, to all and to this session.
func badVersions(scheme func(r session.Record, all, own int) session.Version) flaw {
	return func(s session.Store) session.Store {
		mu := newLock()
		shown := map[session.Version]session.Version{} // by the real one
		all, own := 0, map[session.ID]int{}
		return &flawed{
			Store: s,
			load: func(ctx context.Context, id session.ID) (session.Record, error) {
				if err := mu.enter(ctx); err != nil {
					return session.Record{}, err
				}
				defer mu.leave()
				r, err := s.Load(ctx, id)
				if err == nil {
					r.Version = shown[r.Version]
				}
				return r, err
			},
			save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
				if err := mu.enter(ctx); err != nil {
					return session.Absent, err
				}
				defer mu.leave()
				old, err := s.Load(ctx, id)
				switch {
				case errors.Is(err, session.ErrNotFound):
					own[id] = 0
				case err != nil:
					return session.Absent, err
				}
				if over != session.Absent && over != session.Any {
					if err != nil || shown[old.Version] != over {
						return session.Absent, session.ErrConflict
					}
					over = old.Version
				}
				v, err := s.Save(ctx, id, r, over)
				if err != nil {
					return session.Absent, err
				}
				shown[v] = scheme(r, all, own[id])
				all++
				own[id]++
				return shown[v], nil
			},
		}
	}
}

func number(n int) session.Version { return session.Version{8: 1, 9: byte(n >> 8), 10: byte(n)} }

func hash(r session.Record, _, _ int) session.Version {
	sum := sha256.Sum256(r.Data)
	return session.Version(sum[:16])
}

// keepsTheCallersSlice is what a map of records does.
func keepsTheCallersSlice(s session.Store) session.Store {
	var slices sync.Map
	return &flawed{
		Store: s,
		save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			v, err := s.Save(ctx, id, r, over)
			slices.Store(v, r.Data)
			return v, err
		},
		load: func(ctx context.Context, id session.ID) (session.Record, error) {
			r, err := s.Load(ctx, id)
			if data, ok := slices.Load(r.Version); ok && err == nil {
				r.Data = data.([]byte)
			}
			return r, err
		},
	}
}

// writesIntoItsBuffer is what a store does that reuses memory.
func writesIntoItsBuffer(s session.Store) session.Store {
	var mu sync.Mutex
	var buffer []byte
	return &flawed{
		Store: s,
		save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			v, err := s.Save(ctx, id, r, over)
			mu.Lock()
			defer mu.Unlock()
			copy(buffer, r.Data)
			return v, err
		},
		load: func(ctx context.Context, id session.ID) (session.Record, error) {
			r, err := s.Load(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			r.Data = bytes.Clone(r.Data)
			buffer = r.Data
			return r, err
		},
	}
}

// checksThenSets compares in one step and writes in another.
func checksThenSets(when func(over session.Version) bool) flaw {
	return badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		if !when(over) {
			return s.Save(ctx, id, r, over)
		}
		old, err := s.Load(ctx, id)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return session.Absent, err
		}
		if old.Version != over {
			return session.Absent, session.ErrConflict
		}
		return s.Save(ctx, id, r, session.Any)
	})
}

// isForOne fails where it is called by two at once.
func isForOne(s session.Store) session.Store {
	var busy atomic.Bool
	enter := func() error {
		if !busy.CompareAndSwap(false, true) {
			return errors.New("concurrent use of connection")
		}
		return nil
	}
	return &flawed{
		Store: s,
		load: func(ctx context.Context, id session.ID) (session.Record, error) {
			if err := enter(); err != nil {
				return session.Record{}, err
			}
			defer busy.Store(false)
			return s.Load(ctx, id)
		},
		save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			if err := enter(); err != nil {
				return session.Absent, err
			}
			defer busy.Store(false)
			return s.Save(ctx, id, r, over)
		},
	}
}

// keepsExpiry lets choose decide between the expiry that stands and the new.
func keepsExpiry(choose func(old, fresh time.Time) time.Time) flaw {
	return badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		if old, err := s.Load(ctx, id); err == nil && r.Expires.After(time.Now()) {
			r.Expires = choose(old.Expires, r.Expires)
		}
		return s.Save(ctx, id, r, over)
	})
}

// neverComesBack has one connection, and makes no other.
func neverComesBack(s session.Store) session.Store {
	var broken atomic.Bool
	return badError(func(err error) error {
		if err != nil && err.Error() == errRefused.Error() {
			broken.Store(true)
		}
		if broken.Load() {
			return errRefused
		}
		return err
	})(s)
}

// showsAnOldValue returns, once in a while, what it held before.
func showsAnOldValue(s session.Store) session.Store {
	mu := newLock()
	loads, before := map[session.ID]int{}, map[session.ID]session.Record{}
	return &flawed{
		Store: s,
		load: func(ctx context.Context, id session.ID) (session.Record, error) {
			if err := mu.enter(ctx); err != nil {
				return session.Record{}, err
			}
			defer mu.leave()
			loads[id]++
			if r, ok := before[id]; ok && loads[id] == 20 {
				return r, nil
			}
			return s.Load(ctx, id)
		},
		fresh: s.Load,
		save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			if err := mu.enter(ctx); err != nil {
				return session.Absent, err
			}
			defer mu.leave()
			if old, err := s.Load(ctx, id); err == nil {
				before[id] = old
			}
			return s.Save(ctx, id, r, over)
		},
	}
}

// cache is a good one, until its LoadFresh reads from it.
func cache(s session.Store) session.Store {
	mu := newLock()
	held := map[session.ID]session.Record{}
	load := func(ctx context.Context, id session.ID) (session.Record, error) {
		if err := mu.enter(ctx); err != nil {
			return session.Record{}, err
		}
		defer mu.leave()
		if r, ok := held[id]; ok && time.Now().Before(r.Expires) {
			return r, nil
		}
		r, err := s.Load(ctx, id)
		if err == nil {
			held[id] = r
		}
		return r, err
	}
	return &flawed{Store: s, load: load, save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		if err := mu.enter(ctx); err != nil {
			return session.Absent, err
		}
		defer mu.leave()
		delete(held, id)
		return s.Save(ctx, id, r, over)
	}}
}

// ownsWhatItSaved gives each client sessions of its own.
func ownsWhatItSaved(s session.Store) session.Store {
	name := session.ID(hex.EncodeToString([]byte(time.Now().String())))
	var ids sync.Map
	f := badID(func(id session.ID) session.ID { ids.Store(id, true); return name + id })(s).(*flawed)
	f.list = func(ctx context.Context) iter.Seq2[session.ID, error] {
		return badList(func(ids []session.ID) []session.ID {
			for i := range ids {
				ids[i] = ids[i][len(name):]
			}
			return ids
		})(s).(session.Lister).List(ctx)
	}
	return f
}

// listsWhoHasExpired keeps a set of IDs beside the records.
func listsWhoHasExpired(s session.Store) session.Store {
	var mu sync.Mutex
	ids := map[session.ID]bool{}
	return &flawed{
		Store: s,
		save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			v, err := s.Save(ctx, id, r, over)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				ids[id] = true
			}
			return v, err
		},
		list: func(ctx context.Context) iter.Seq2[session.ID, error] {
			return badList(func([]session.ID) []session.ID {
				mu.Lock()
				defer mu.Unlock()
				return slices.Collect(maps.Keys(ids))
			})(s).(session.Lister).List(ctx)
		},
	}
}
