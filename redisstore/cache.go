package redisstore

import (
	"context"
	"errors"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// loadCached is Load by way of the client's cache. An answer from there counts only
// if it is a record, and, where this store wrote the key lately, the very one that
// the floor names. Everything else is read again past the cache: a record older
// than the write, a newer one, and a key that was not there when it was cached.
func (s *Store) loadCached(ctx context.Context, key string) (session.Record, error) {
	floor := s.floors.of(key)
	if floor.closed() {
		return s.loadAbove(ctx, key, floor)
	}
	reply := s.doCached(ctx, s.client.B().Get().Key(key).Cache())
	if errors.Is(reply.Error(), rueidis.ErrDoCacheAborted) { // the connection broke
		return s.loadAbove(ctx, key, floor)
	}
	if !reply.IsCacheHit() {
		s.checkTracking(reply)
		// The client sent a GET of this call's own, after the floor was looked
		// up: it is as good as one past the cache.
		r, err := s.record(ctx, key, reply)
		if errors.Is(err, errForeign) {
			return s.loadAbove(ctx, key, floor) // which finds out whose record it is
		}
		if err == nil {
			s.floors.raise(key, floor, r.Version)
		}
		return r, err
	}
	if r, err := s.record(ctx, key, reply); err == nil && floor.admits(r.Version) {
		r.Cached = true
		return r, nil
	}
	return s.loadAbove(ctx, key, floor)
}

// loadAbove is Load past the cache. The record that it finds is at least as new as
// the one that the floor stood for, so the cache may give that out from now on.
func (s *Store) loadAbove(ctx context.Context, key string, floor floor) (session.Record, error) {
	r, err := s.load(ctx, key)
	if err == nil {
		s.floors.raise(key, floor, r.Version)
	}
	return r, err
}

// checkTracking looks at an answer that the cache did not give: a client that
// caches has put it there, with the time when it goes.
func (s *Store) checkTracking(reply rueidis.RedisResult) {
	if s.tracking.Load() {
		return
	}
	if _, err := reply.AsBytes(); err != nil {
		return
	}
	if reply.CacheTTL() >= 0 {
		s.tracking.Store(true)
		return
	}
	s.without("cache", "session: redis: ClientCache has no effect, because the client does not cache; "+
		"give ClientOption the same option, or leave DisableCache unset")
}
