package pgstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// cleanBlocks is how many blocks one statement of the clean-up reads: half a megabyte,
	// so that it holds the locks of its rows for a millisecond or two.
	cleanBlocks = 64

	// cleanLease is how long an instance has its turn after each of these statements. If the
	// instance ends, another one takes over after that time.
	cleanLease = time.Minute
)

// clean deletes expired rows until ctx ends. Every instance asks for its turn, at
// times of its own, and the row of the state gives the turn to one of them.
func (s *Store) clean(ctx context.Context) {
	for {
		wait := s.cleanEvery/2 + rand.N(s.cleanEvery)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		err := s.pass(ctx)
		if strings.HasPrefix(codeOf(err), "42") { // a right or a table that is missing, and no outage
			s.without("clean", "session: postgres: sessions that have expired are not deleted", "error", err)
		}
	}
}

// pass goes over the table once, if it is this instance's turn. It rests four times as
// long as it works.
func (s *Store) pass(ctx context.Context) error {
	for block := int64(0); ; block += cleanBlocks {
		began := time.Now()
		blocks, err := s.cleanFrom(ctx, block)
		if err != nil || blocks < 0 {
			return err
		}
		if block+cleanBlocks >= blocks {
			break
		}
		select {
		case <-time.After(4 * time.Since(began)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, err := do(ctx, s, "clean", func(ctx context.Context) (any, error) {
		return s.pool.Exec(ctx, s.sql.cleaned, s.name[:], s.cleanEvery.Seconds())
	})
	return err
}

// cleanFrom deletes what has expired in the blocks from first on, and returns how many
// blocks the table has. It is -1 where it is another instance's turn.
func (s *Store) cleanFrom(ctx context.Context, first int64) (blocks int64, err error) {
	tid := func(block int64) string { return fmt.Sprintf("(%d,0)", block) }
	return do(ctx, s, "clean", func(ctx context.Context) (int64, error) {
		var isOurs bool
		var gone, blocks int64 // of its own: the caller may have left
		err := s.pool.QueryRow(ctx, s.sql.clean, tid(first), tid(first+cleanBlocks), s.name[:], cleanLease.Seconds()).Scan(&isOurs, &gone, &blocks)
		if err == nil && !isOurs {
			return -1, nil
		}
		return blocks, err
	})
}
