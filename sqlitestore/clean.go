package sqlitestore

import (
	"context"
	"math/rand/v2"
	"time"
)

// cleanBatch is how many records one transaction deletes, some milliseconds.
const cleanBatch = 200

// markLife is after how long without a sign of it a process's mark is deleted.
const markLife = 7 * 24 * time.Hour

// Clean deletes all records that have expired, in small transactions between which
// saves go on, and returns how many there were. The store calls it each
// Options.CleanEvery, in one of the processes that share the file.
func (s *Store) Clean(ctx context.Context) (deleted int64, err error) {
	for {
		var n int64
		err := s.write(ctx, func(w *writeConn) error {
			done, err := w.removeAllExpired.ExecContext(context.Background(), time.Now().UnixMilli(), cleanBatch)
			if err == nil {
				n, err = done.RowsAffected()
			}
			return err
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
	for {
		every := s.options.CleanEvery
		select {
		case <-time.After(every - every/8 + rand.N(every/4+1)):
		case <-s.closing:
			return
		}
		s.cleanInTurn()
	}
}

// cleanInTurn cleans up where there is something to delete and no other process has
// begun to since the last time. An error is not reported, because saves meet it too and
// the next turn is soon.
func (s *Store) cleanInTurn() {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.CleanEvery)
	defer cancel()
	some, err := read(ctx, s, func(ctx context.Context, f *file) (some bool, err error) {
		err = f.expired.QueryRowContext(ctx, time.Now().UnixMilli()).Scan(&some)
		return some, err
	})
	if err != nil || !some {
		return
	}
	var mine bool
	err = s.write(ctx, func(w *writeConn) error {
		now := time.Now()
		background := context.Background()
		done, err := w.takeTurn.ExecContext(background, now.UnixMilli(), now.Add(-s.options.CleanEvery/2).UnixMilli())
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if mine = n > 0; !mine || err != nil {
			return err
		}
		_, err = w.dropMarks.ExecContext(background, now.Add(-markLife).UnixMilli())
		return err
	})
	if err == nil && mine {
		_, _ = s.Clean(ctx)
	}
}
