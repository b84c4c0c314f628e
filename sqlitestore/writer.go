package sqlitestore

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

// write is a statement that waits for its transaction.
type write struct {
	ctx  context.Context // the caller's: one that has left is not written for
	do   func(*writeConn) error
	err  error
	done chan error
}

// maxBatch bounds how long a transaction keeps the write lock from other processes.
const maxBatch = 128

// write runs do in a transaction, together with what else waits, and returns once
// that is committed. A caller whose ctx ends before the transaction begins has written
// nothing.
func (s *Store) write(ctx context.Context, do func(*writeConn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{ctx: ctx, do: do, done: make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeLoop commits what waits, until Close. One goroutine writes, because SQLite has
// one writer at a time; what comes meanwhile is committed together.
func (s *Store) writeLoop() {
	for {
		var first *write
		select {
		case first = <-s.writes:
		case <-s.closing:
			return
		}
		since := time.Now()
		for batch := s.gather([]*write{first}); len(batch) > 0; batch = s.gather(nil) {
			s.commit(batch)
			if time.Since(since) > 20*time.Millisecond {
				// Another process finds no gap between two transactions.
				time.Sleep(time.Millisecond)
				since = time.Now()
			}
		}
	}
}

// gather adds what waits to a batch, without those whose callers have left.
func (s *Store) gather(batch []*write) []*write {
	kept := batch[:0]
	for _, w := range batch {
		if w.ctx.Err() == nil {
			kept = append(kept, w)
		}
	}
	for len(kept) < maxBatch {
		select {
		case w := <-s.writes:
			kept = append(kept, w)
		default:
			return kept
		}
	}
	return kept
}

var errLeft = errors.New("session: sqlite: all callers have left")

// commit runs a batch in one transaction and answers its callers.
func (s *Store) commit(batch []*write) {
	batch, err := s.transact(batch)
	if err == nil || len(batch) == 1 || errors.Is(err, errClosed) {
		answer(batch, err)
		return
	}
	// A record for which there is no room does not undo the other saves.
	for _, w := range batch {
		alone, err := s.transact([]*write{w})
		answer(alone, err)
	}
}

// transact runs a batch in one transaction, and returns it as it was when the
// transaction began.
func (s *Store) transact(batch []*write) ([]*write, error) {
	f, err := s.use(context.Background())
	if err != nil {
		return batch, err
	}
	defer f.users.Done()
	batch, err = s.begin(f.write, batch)
	if err == nil {
		err = f.write.run(batch)
	}
	return batch, err
}

// begin waits for the write lock for as long as a caller does, with those that come
// meanwhile.
func (s *Store) begin(w *writeConn, batch []*write) ([]*write, error) {
	background := context.Background()
	err := untilFree(background, func() error {
		if batch = s.gather(batch); len(batch) == 0 {
			return errLeft
		}
		select {
		case <-s.closing:
			return errClosed
		default:
		}
		_, err := w.conn.ExecContext(background, "BEGIN IMMEDIATE")
		return err
	})
	if err == nil {
		batch = s.gather(batch) // some may have left before it began
	}
	return batch, err
}

// run runs a batch in the transaction that has begun, and ends it. Where it returns an
// error nothing of the batch has happened.
func (w *writeConn) run(batch []*write) error {
	err := func() error {
		for _, x := range batch {
			x.err = x.do(w)
			if x.err != nil && !errors.Is(x.err, session.ErrConflict) {
				return x.err
			}
		}
		_, err := w.conn.ExecContext(context.Background(), "COMMIT")
		return err
	}()
	if err != nil {
		_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK") // SQLite may have done so itself
	}
	return err
}

// answer returns each caller the outcome of its statement; err is for all of them.
func answer(batch []*write, err error) {
	for _, w := range batch {
		if err != nil {
			w.err = err
		}
		w.done <- w.err
	}
}
