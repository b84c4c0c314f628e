package pgstore_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

const rows = `SELECT count(*) FROM web_sessions`

// fill makes sessions of two kilobytes, three to a block: every other one has expired.
func fill(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	exec(t, pool, `INSERT INTO web_sessions (id, version, expires, data)
		SELECT 'session' || i, '\x00', now() + CASE WHEN i % 2 = 0 THEN interval '1 hour' ELSE interval '-1 second' END, convert_to(repeat('x', 1900), 'UTF8')
		FROM generate_series(1, $1::int) i`, n)
}

func TestWhatHasExpiredIsDeletedInBatches(t *testing.T) {
	_, pool, s := open(t)
	fill(t, pool, 1000)
	blocks, err := s.CleanFrom(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if blocks < 4*pgstore.CleanBlocks {
		t.Fatalf("the table has %d blocks: this test shows nothing", blocks)
	}
	left := ask[int](t, pool, rows)
	if first := 1000 - left; first < pgstore.CleanBlocks || first > 3*pgstore.CleanBlocks {
		t.Errorf("one statement deleted %d of 500", first)
	}
	if err := s.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := ask[int](t, pool, rows); left != 500 {
		t.Errorf("a pass has left %d, want the 500 that have not expired", left)
	}
	if expired := ask[int](t, pool, rows+` WHERE expires < now()`); expired != 0 {
		t.Errorf("a pass has left %d that have expired", expired)
	}
}

func TestAStatementOfTheCleanUpReadsOnlyItsBlocks(t *testing.T) {
	_, pool, _ := open(t)
	fill(t, pool, 100)
	rows, err := pool.Query(t.Context(), `EXPLAIN DELETE FROM web_sessions WHERE ctid >= '(0,0)'::tid AND ctid < '(64,0)'::tid AND expires <= clock_timestamp() AND EXISTS (SELECT)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if !strings.Contains(plan.String(), "Tid Range Scan") {
		t.Errorf("got the plan\n%s", &plan)
	}
}

func TestOneInstanceAtATimeCleansUp(t *testing.T) {
	_, pool, s := open(t)
	other := newStore(t, pool)
	if blocks, err := s.CleanFrom(t.Context(), 0); blocks < 0 || err != nil {
		t.Fatalf("the first: got %d blocks, %v, want its turn", blocks, err)
	}
	fill(t, pool, 10)
	if blocks, err := other.CleanFrom(t.Context(), 0); blocks != -1 || err != nil {
		t.Errorf("the second, while the first is at it: got %d blocks, %v, want -1", blocks, err)
	}
	if left := ask[int](t, pool, rows); left != 10 {
		t.Errorf("the second, while the first is at it, deleted %d", 10-left)
	}
	if err := s.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blocks, err := other.CleanFrom(t.Context(), 0); blocks != -1 || err != nil {
		t.Errorf("soon after a pass of the first: got %d blocks, %v, want -1", blocks, err)
	}
	exec(t, pool, `UPDATE web_sessions_state SET until = clock_timestamp()`) // the first has died, or ten minutes are over
	fill2 := ask[int](t, pool, rows)
	if err := other.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blocks, err := s.CleanFrom(t.Context(), 0); blocks != -1 || err != nil {
		t.Errorf("after the second took over the first got %d blocks, %v, want -1", blocks, err)
	}
	if fill2 != 5 {
		t.Errorf("the pass of the first has left %d of 10, want 5", fill2)
	}
}

// A session that begins anew while its expired row is deleted is not deleted.
func TestTheCleanUpRacesWithSaves(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	table := emptyTable(t, pool)
	s := newStore(t, pool, table)
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			if _, err := s.CleanFrom(t.Context(), 0); err != nil {
				ended <- err
				return
			}
		}
	}()
	for i := range 300 {
		id := session.ID(fmt.Sprint("x", i%10))
		mustSave(t, s, id, session.Record{Expires: time.Now().Add(-time.Second)}, session.Absent)
		mustSave(t, s, id, record("live"), session.Absent)
		v := mustLoad(t, s, id).Version
		mustSave(t, s, id, session.Record{Expires: time.Now().Add(-time.Second)}, v)
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTheCleanUpRunsByItselfAndSaysOnceThatItMayNot(t *testing.T) {
	server, pool, _ := open(t)
	fill(t, pool, 100)
	exec(t, pool, `CREATE ROLE shop LOGIN; GRANT SELECT, INSERT, UPDATE ON web_sessions, web_sessions_state TO shop`)
	log := new(printed.Text)
	newStore(t, newPool(t, server.URL(), as("shop")), pgstore.CleanEvery(time.Millisecond), pgstore.Log(slog.New(slog.NewTextHandler(log, nil))))
	eventually(t, "a line in the log", func() bool { return strings.Contains(log.String(), "are not deleted") })
	if left := ask[int](t, pool, rows); left != 100 {
		t.Errorf("%d of 100 are left, without the right to delete", left)
	}

	s := newStore(t, pool, pgstore.CleanEvery(time.Millisecond))
	eventually(t, "a clean-up", func() bool { return ask[int](t, pool, rows) == 50 })
	s.Close()
	if n := strings.Count(log.String(), "are not deleted"); n != 1 {
		t.Errorf("got %d lines, want one:\n%s", n, log)
	}
}

func TestAnOutageOfTheCleanUpIsNoNews(t *testing.T) {
	server, pool, _ := open(t)
	server.Kill()
	log := new(printed.Text)
	s := newStore(t, pool, pgstore.CleanEvery(time.Millisecond), pgstore.Log(slog.New(slog.NewTextHandler(log, nil))))
	for range 3 {
		if err := s.Pass(t.Context()); err == nil {
			t.Error("a pass without a server succeeds")
		}
	}
	server.Restart()
	eventually(t, "the server", func() bool { return pool.Ping(t.Context()) == nil })
	fill(t, pool, 10)
	eventually(t, "a clean-up", func() bool { return ask[int](t, pool, rows) == 5 })
	if log.String() != "" {
		t.Errorf("got the log %s, want nothing", log)
	}
}
