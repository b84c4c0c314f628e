package mysqlstore

import (
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
)

func openQuiet(t *testing.T) *Store {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", mariadbtest.Start(t).Addr
	c.User, c.DBName = "root", "test"
	s, err := Open(t.Context(), c, &Options{CleanEvery: time.Hour})
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
		minutes int // since another process began
		left    bool
	}{{1, true}, {29, true}, {31, false}} {
		_, err := s.execute(t.Context(), "UPDATE sessions_store SET cleaned = UTC_TIMESTAMP(3) - INTERVAL ? MINUTE", tt.minutes)
		if err != nil {
			t.Fatal(err)
		}
		s.cleanInTurn(t.Context())
		var left bool
		if err := s.db.QueryRowContext(t.Context(), s.text.expired).Scan(&left); err != nil || left != tt.left {
			t.Errorf("%d minutes after another process began: the record is there: %v (%v), want %v", tt.minutes, left, err, tt.left)
		}
	}
}

func TestAMarkIsNotWrittenOverAnother(t *testing.T) {
	s := openQuiet(t)
	for _, step := range []struct {
		mark, over string
		conflict   bool
	}{
		{"1234567890123456", "", false}, {"2234567890123456", "1234567890123456", false},
		{"3234567890123456", "1234567890123456", true}, {"3234567890123456", "2234567890123456", false},
	} {
		var over []byte
		if step.over != "" {
			over = []byte(step.over)
		}
		err := s.saveMark(t.Context(), []byte(step.mark), over)
		if conflict := errors.Is(err, session.ErrConflict); conflict != step.conflict || err != nil && !conflict {
			t.Errorf("%s over %q: got %v, want a conflict: %v", step.mark, step.over, err, step.conflict)
		}
	}
}
