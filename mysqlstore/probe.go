package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
)

// Shard implements [session.Prober]. The database is one shard, named "mysql".
func (s *Store) Shard(session.ID) string { return s.shard }

// Probe implements [session.Prober]. It is three short statements, and one that writes a
// mark in the background.
//
// The incarnation has these parts:
//
//   - The random name that the database was given when its tables were made, and how
//     often this store has noticed since Open that an older state was restored, or a
//     replica took over that lacked the last writes: the mark is missing then that this
//     store wrote at an earlier probe. A state of the last second, the time between two
//     probes, is not noticed by it.
//   - The server: its server_uuid, which MariaDB lacks, server_id and hostname. A
//     failover is a change, since replication may have lacked the last second. It is left
//     out on Galera, whose nodes have the same data.
//   - Where innodb_flush_log_at_trx_commit is not 1, when the server was started: a
//     crash may have lost the last second.
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	if shard != s.shard {
		return "", fmt.Errorf("session: mysql probe: there is no shard %q", shard)
	}
	if err := s.marks.Begin(ctx); err != nil {
		return "", failure("probe", err)
	}
	defer s.marks.End()
	confirmed, pending := s.marks.Ours()
	type row struct {
		name, mark []byte
		server     string
	}
	r, err := background.Do(ctx, s.calls, func(ctx context.Context) (r row, err error) {
		if err := s.db.QueryRowContext(ctx, s.text.probe, s.marks.Instance()).Scan(&r.name, &r.mark); err != nil {
			return r, err
		}
		r.server, err = s.server(ctx)
		return r, err
	})
	if err != nil {
		return "", failure("probe", err)
	}
	lost := s.marks.See(r.mark, confirmed, pending)
	s.writeMark()
	return fmt.Sprintf("%x/%d/%s", r.name, lost, r.server), nil
}

// server names the server, as far as another one may have other data.
func (s *Store) server(ctx context.Context) (string, error) {
	variables, err := s.variables(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN `+
		`('server_uuid', 'server_id', 'hostname', 'wsrep_on', 'innodb_flush_log_at_trx_commit')`)
	if err != nil {
		return "", err
	}
	name := ""
	if variables["wsrep_on"] != "ON" {
		name = variables["server_uuid"] + "/" + variables["server_id"] + "/" + variables["hostname"]
	}
	if variables["innodb_flush_log_at_trx_commit"] == "1" {
		return name, nil
	}
	asked := time.Now()
	status, err := s.variables(ctx, `SHOW GLOBAL STATUS LIKE 'Uptime'`)
	if err != nil {
		return "", err
	}
	var uptime int64
	if _, err := fmt.Sscan(status["Uptime"], &uptime); err != nil {
		return "", fmt.Errorf("uptime %q: %w", status["Uptime"], err)
	}
	return fmt.Sprintf("%s/%d", name, s.started.see(asked, time.Now(), time.Duration(uptime)*time.Second)), nil
}

// variables returns rows of a name and a value.
func (s *Store) variables(ctx context.Context, statement string) (map[string]string, error) {
	rows, err := s.db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	values := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, rows.Err()
}

// start is when the server was started, which it tells by an uptime in whole seconds.
type start struct {
	mu               sync.Mutex // guards all below
	earliest, latest time.Time
}

// see returns a number that stays until the server is started anew. An uptime that was
// asked for between two moments leaves a second for the start, and the clocks may drift.
func (s *start) see(asked, answered time.Time, uptime time.Duration) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	earliest, latest := asked.Add(-uptime-1500*time.Millisecond), answered.Add(-uptime+500*time.Millisecond)
	if latest.Before(s.earliest) || earliest.After(s.latest) {
		s.earliest = earliest
		s.latest = latest
	}
	return s.earliest.Unix()
}

// writeMark writes a new mark over the last one, or once more the one of which it is
// not known whether it was written. It does not wait: a server that takes no writes
// answers probes.
func (s *Store) writeMark() {
	over, mark, free := s.marks.Next()
	if !free {
		return
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.loops.Add(1)
	}
	s.mu.Unlock()
	if closed {
		s.marks.Written(mark, false, errClosed)
		return
	}
	go func() {
		defer s.loops.Done()
		_, err := background.Do(context.Background(), s.calls, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.saveMark(ctx, mark, over)
		})
		s.marks.Written(mark, errors.Is(err, session.ErrConflict), err)
	}()
}

// saveMark is a compare-and-set where over is not nil.
func (s *Store) saveMark(ctx context.Context, mark, over []byte) error {
	if over == nil {
		_, err := s.db.ExecContext(ctx, s.text.mark, s.marks.Instance(), mark)
		return err
	}
	return s.change(ctx, s.text.moveMark, mark, s.marks.Instance(), mark, over)
}
