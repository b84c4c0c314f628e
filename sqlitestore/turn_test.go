package sqlitestore

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

func openQuiet(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "shop.db"), &Options{LosesOnPowerFailure: true, CleanEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAProcessCleansUpWhereNoOtherHasBegunTo(t *testing.T) {
	s := openQuiet(t)
	past := session.Record{Expires: time.Now().Add(-time.Second)}
	if _, err := s.Save(t.Context(), "x", past, session.Absent); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ago  time.Duration // since another process began
		left bool
	}{{time.Minute, true}, {29 * time.Minute, true}, {31 * time.Minute, false}} {
		err := s.write(t.Context(), func(w *writeConn) error {
			_, err := w.conn.ExecContext(context.Background(), "UPDATE sessions_store SET cleaned = ?", time.Now().Add(-tt.ago).UnixMilli())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.cleanInTurn()
		left, err := read(t.Context(), s, func(ctx context.Context, f *file) (left bool, err error) {
			err = f.expired.QueryRowContext(ctx, time.Now().UnixMilli()).Scan(&left)
			return left, err
		})
		if err != nil || left != tt.left {
			t.Errorf("%v after another process began: the record is there: %v (%v), want %v", tt.ago, left, err, tt.left)
		}
	}
}

func TestAMarkIsNotWrittenOverAnother(t *testing.T) {
	s := openQuiet(t)
	instance := []byte("this process")
	for _, step := range []struct {
		mark, over string
		conflict   bool
	}{
		{"one", "", false}, {"two", "one", false}, {"two", "one", false}, // again, where it is not known whether it was written
		{"three", "one", true}, {"three", "two", false},
	} {
		err := s.write(t.Context(), func(w *writeConn) error {
			var over []byte
			if step.over != "" {
				over = []byte(step.over)
			}
			return w.saveMark(instance, []byte(step.mark), over)
		})
		if conflict := errors.Is(err, session.ErrConflict); conflict != step.conflict || err != nil && !conflict {
			t.Errorf("%s over %q: got %v, want a conflict: %v", step.mark, step.over, err, step.conflict)
		}
	}
}

// leaving is the context of a caller that leaves once it has been asked whether it has.
type leaving struct {
	context.Context
	asked bool
}

func (l *leaving) Err() error {
	if l.asked {
		return context.Canceled
	}
	l.asked = true
	return nil
}

func TestACallerThatLeavesAsItsTransactionBeginsHasWrittenNothing(t *testing.T) {
	s := openQuiet(t)
	f, err := s.use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.users.Done()
	stays := &write{ctx: t.Context(), do: func(*writeConn) error { return nil }}
	batch, err := s.begin(f.write, []*write{{ctx: &leaving{Context: t.Context()}}, stays})
	if err != nil {
		t.Fatal(err)
	}
	if len(batch) != 1 || batch[0] != stays {
		t.Errorf("got %d callers in the transaction, want the one that stays", len(batch))
	}
	if err := f.write.run(batch); err != nil {
		t.Error(err)
	}
}
