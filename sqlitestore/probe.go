package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session"
)

const shardName = "sqlite"

// Shard implements [session.Prober]. The file is one shard, named "sqlite".
func (s *Store) Shard(session.ID) string { return shardName }

// Probe implements [session.Prober]. It is one SELECT; a mark is written in the
// background. It fails while the file is gone.
//
// The incarnation is the random name that the database was given when it was made, and
// how often this store has noticed since Open that data may be lost:
//
//   - The path leads to another file: the old one was deleted and made anew, or a
//     backup was renamed over it.
//   - The mark is missing that this store wrote at an earlier probe: an older state was
//     restored in place, as sqlite3's .restore and VACUUM INTO's copies are. A state of
//     the last second, the time between two probes, is not noticed.
//
// A backup that is restored while no process runs is not noticed: of the logouts since that
// backup, only the visitors' own cookies know.
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	if shard != shardName {
		return "", fmt.Errorf("session: sqlite probe: there is no shard %q", shard)
	}
	if err := s.marks.Begin(ctx); err != nil {
		return "", failure("probe", err)
	}
	defer s.marks.End()
	type row struct {
		name, mark []byte
	}
	confirmed, pending := s.marks.Ours()
	r, err := read(ctx, s, func(ctx context.Context, f *file) (r row, err error) {
		err = f.probe.QueryRowContext(ctx, s.marks.Instance()).Scan(&r.name, &r.mark)
		return r, err
	})
	if err != nil {
		return "", failure("probe", err)
	}
	lost := s.marks.See(r.mark, confirmed, pending)
	s.writeMark()
	return fmt.Sprintf("%x/%d", r.name, lost), nil
}

// markWait is how long a mark waits for the write lock.
const markWait = 2 * time.Second

// writeMark writes a new mark over the last one, or once more the one of which it is
// not known whether it was written. It does not wait: a file that takes no writes
// answers probes.
func (s *Store) writeMark() {
	over, mark, free := s.marks.Next()
	if !free {
		return
	}
	s.mu.RLock()
	closed := s.closed
	if !closed {
		s.loops.Add(1)
	}
	s.mu.RUnlock()
	if closed {
		s.marks.Written(mark, false, errClosed)
		return
	}
	go func() {
		defer s.loops.Done()
		ctx, cancel := context.WithTimeout(context.Background(), markWait)
		defer cancel()
		err := s.write(ctx, func(w *writeConn) error { return w.saveMark(s.marks.Instance(), mark, over) })
		s.marks.Written(mark, errors.Is(err, session.ErrConflict), err)
	}()
}

// saveMark is a compare-and-set where over is not nil: a mark that is written into an
// older state would hide that.
func (w *writeConn) saveMark(instance, mark, over []byte) error {
	ctx, now := context.Background(), time.Now().UnixMilli()
	if over == nil {
		_, err := w.mark.ExecContext(ctx, instance, mark, now)
		return err
	}
	done, err := w.moveMark.ExecContext(ctx, instance, mark, now, over)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return session.ErrConflict
}
