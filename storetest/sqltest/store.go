// Package sqltest holds a small store on database/sql and pgx to the contract,
// on a real PostgreSQL, with and without package background. It is an example
// for authors of stores, and no store to use: it does not clean up.
package sqltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
)

// Schema makes the table. A row that has expired counts as none; a real store
// deletes such rows now and then, by the index.
const Schema = `CREATE TABLE IF NOT EXISTS sessions (
	id      text COLLATE "C" PRIMARY KEY,
	version bytea NOT NULL,
	data    bytea NOT NULL,
	expires timestamptz NOT NULL
); CREATE INDEX IF NOT EXISTS sessions_expires ON sessions (expires)`

// Store is a [session.Store] in one table.
type Store struct {
	DB *sql.DB

	// Calls, if set, lets statements outlive their callers.
	Calls *background.Calls
}

// run is f in the background where there are Calls.
func run[T any](ctx context.Context, s *Store, f func(context.Context) (T, error)) (T, error) {
	if s.Calls == nil {
		return f(ctx)
	}
	return background.Do(ctx, s.Calls, f)
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return run(ctx, s, func(ctx context.Context) (r session.Record, err error) {
		var version []byte
		err = s.DB.QueryRowContext(ctx, `SELECT version, data, expires FROM sessions WHERE id = $1 AND expires > now()`, string(id)).
			Scan(&version, &r.Data, &r.Expires)
		if errors.Is(err, sql.ErrNoRows) {
			return r, session.ErrNotFound
		}
		if err == nil && len(version) != len(r.Version) {
			return r, errors.New("session: sqltest: a version of another length")
		}
		copy(r.Version[:], version)
		return r, err
	})
}

// Save implements [session.Store]. Each is one statement, which PostgreSQL's
// READ COMMITTED makes a compare-and-set: one that waited for another's row
// looks at its WHERE again, on the row as it is then.
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: sqltest: Record.Expires is zero")
	}
	data := bytes.Clone(r.Data) // the caller may leave, and change its own
	if data == nil {
		data = []byte{}
	}
	var v session.Version
	rand.Read(v[:])
	expires := r.Expires
	return run(ctx, s, func(ctx context.Context) (session.Version, error) {
		var done sql.Result
		var err error
		switch past := !time.Now().Before(expires); {
		case over == session.Any && past:
			_, err = s.DB.ExecContext(ctx, `DELETE FROM sessions WHERE id = $1`, string(id))
			return v, err
		case over == session.Absent:
			// A row that has expired is replaced as if it were not there. One
			// that is past at once is written so: nobody will see it.
			done, err = s.DB.ExecContext(ctx, `INSERT INTO sessions (id, version, data, expires) VALUES ($1, $2, $3, $4)
				ON CONFLICT (id) DO UPDATE SET version = $2, data = $3, expires = $4 WHERE sessions.expires <= now()`,
				string(id), v[:], data, expires)
		case over == session.Any:
			done, err = s.DB.ExecContext(ctx, `INSERT INTO sessions (id, version, data, expires) VALUES ($1, $2, $3, $4)
				ON CONFLICT (id) DO UPDATE SET version = $2, data = $3, expires = $4`, string(id), v[:], data, expires)
		default:
			done, err = s.DB.ExecContext(ctx, `UPDATE sessions SET version = $2, data = $3, expires = $4
				WHERE id = $1 AND version = $5 AND expires > now()`, string(id), v[:], data, expires, over[:])
		}
		if err != nil {
			return session.Absent, err
		}
		switch n, err := done.RowsAffected(); {
		case err != nil:
			return session.Absent, err
		case n == 0:
			return session.Absent, session.ErrConflict
		}
		return v, nil
	})
}
