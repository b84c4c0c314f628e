package mark_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/holdfast-go/session/internal/mark"
)

// database holds the mark of one process.
type database struct{ mark []byte }

// write is the compare-and-set that Next asks for.
func (d *database) write(over, fresh []byte) (another bool) {
	if over != nil && !bytes.Equal(d.mark, over) && !bytes.Equal(d.mark, fresh) {
		return true
	}
	d.mark = fresh
	return false
}

// probe reads the mark and writes the next one.
func probe(t *testing.T, m *mark.Marks, d *database) (lost int) {
	t.Helper()
	if err := m.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer m.End()
	confirmed, pending := m.Ours()
	lost = m.See(d.mark, confirmed, pending)
	if over, fresh, free := m.Next(); free {
		m.Written(fresh, d.write(over, fresh), nil)
	}
	return lost
}

var errUnknown = errors.New("no answer")

func TestALossIsNoticedOnce(t *testing.T) {
	for _, tt := range []struct {
		is      string
		happens func(m *mark.Marks, d *database, older []byte)
		lost    int
	}{
		{"nothing happens", func(*mark.Marks, *database, []byte) {}, 0},
		{"an older state", func(_ *mark.Marks, d *database, older []byte) { d.mark = older }, 1},
		{"an empty database", func(_ *mark.Marks, d *database, _ []byte) { d.mark = nil }, 1},
		{"another database, which the caller notices", func(m *mark.Marks, d *database, _ []byte) {
			m.Lose()
			d.mark = nil
		}, 1},
		{"a write without an answer that was made", func(m *mark.Marks, d *database, _ []byte) {
			over, fresh, _ := m.Next()
			d.write(over, fresh)
			m.Written(fresh, false, errUnknown)
		}, 0},
		{"a write without an answer that was not made", func(m *mark.Marks, _ *database, _ []byte) {
			_, fresh, _ := m.Next()
			m.Written(fresh, false, errUnknown)
		}, 0},
		{"a write that is made in an older state", func(m *mark.Marks, d *database, older []byte) {
			over, fresh, _ := m.Next()
			d.mark = older
			m.Written(fresh, d.write(over, fresh), nil)
		}, 1},
		{"a write that was under way when the caller noticed a loss", func(m *mark.Marks, d *database, older []byte) {
			_, fresh, _ := m.Next()
			m.Lose()
			d.mark = older
			m.Written(fresh, true, nil)
		}, 1},
	} {
		t.Run(tt.is, func(t *testing.T) {
			m, d := mark.New(), &database{}
			probe(t, m, d)
			older := d.mark
			probe(t, m, d)
			if lost := probe(t, m, d); lost != 0 {
				t.Fatalf("before: lost %d times", lost)
			}
			tt.happens(m, d, older)
			for range 3 {
				if lost := probe(t, m, d); lost != tt.lost {
					t.Errorf("got %d losses, want %d", lost, tt.lost)
				}
			}
		})
	}
}

// A mark that is written while an older one is being compared is no loss.
func TestAMarkThatIsWrittenDuringAProbe(t *testing.T) {
	m, d := mark.New(), &database{}
	for range 3 {
		over, fresh, _ := m.Next()
		confirmed, pending := m.Ours()
		read := d.mark
		m.Written(fresh, d.write(over, fresh), nil)
		if lost := m.See(read, confirmed, pending); lost != 0 {
			t.Errorf("read before the write: lost %d times", lost)
		}
		if lost := m.See(d.mark, confirmed, pending); lost != 0 {
			t.Errorf("read after the write: lost %d times", lost)
		}
	}
	_, fresh, _ := m.Next()
	if _, _, free := m.Next(); free {
		t.Error("a second mark is written while the first one is")
	}
	m.Written(fresh, false, nil)
}

func TestProbesFollowOneAnother(t *testing.T) {
	m := mark.New()
	if err := m.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Begin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("while another probe runs: got %v", err)
	}
	m.End()
	if err := m.Begin(t.Context()); err != nil {
		t.Error(err)
	}
	if bytes.Equal(m.Instance(), mark.New().Instance()) {
		t.Error("two processes have one name")
	}
}
