package mysqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
)

// cleanBatch is how many records the statement dropOld deletes.
const cleanBatch = 500

// Clean deletes all records that have expired, 500 in each statement, and returns how
// many there were. The store calls it each Options.CleanEvery, in one of the processes
// that share the table.
func (s *Store) Clean(ctx context.Context) (deleted int64, err error) {
	for {
		n, err := background.Do(ctx, s.calls, func(ctx context.Context) (int64, error) {
			return s.execute(ctx, s.text.dropOld)
		})
		if err != nil {
			return deleted, failure("clean-up", err)
		}
		deleted += n
		if n < cleanBatch {
			return deleted, nil
		}
	}
}

func (s *Store) cleanLoop() {
	ctx, cancel := context.WithCancel(context.Background())
	s.loops.Go(func() {
		<-s.closing
		cancel()
	})
	for {
		every := s.options.CleanEvery
		select {
		case <-time.After(every - every/8 + rand.N(every/4+1)):
		case <-s.closing:
			return
		}
		s.cleanInTurn(ctx)
	}
}

// cleanInTurn cleans up where there is something to delete and no other process has
// begun to since the last time. An error is not reported, because saves meet it too and
// the next turn is soon.
func (s *Store) cleanInTurn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.options.CleanEvery)
	defer cancel()
	isMine, err := background.Do(ctx, s.calls, func(ctx context.Context) (bool, error) {
		var some bool
		err := s.db.QueryRowContext(ctx, s.text.expired).Scan(&some)
		if err != nil || !some {
			return false, err
		}
		err = s.change(ctx, s.text.takeTurn, s.options.CleanEvery.Microseconds()/2)
		if errors.Is(err, session.ErrConflict) {
			return false, nil
		}
		if err == nil {
			_, err = s.execute(ctx, s.text.dropMarks)
		}
		return err == nil, err
	})
	if err == nil && isMine {
		_, _ = s.Clean(ctx)
	}
}
