package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Schema makes what [Open] makes in a new file, with the default names. It is here to
// be read, and for programs that make the tables themselves; Open finds those.
//
// The version of a record is random. An expiry is in milliseconds since 1970. The one
// row of sessions_store has the version of this schema, a random name of the database
// and when a process last began to delete what has expired. sessions_marks has what
// each process wrote there last, by which it notices that the file was restored.
const Schema = `CREATE TABLE sessions (
	id      TEXT    NOT NULL PRIMARY KEY,
	version BLOB    NOT NULL,
	expires INTEGER NOT NULL,
	data    BLOB    NOT NULL
) STRICT;
CREATE INDEX sessions_expires ON sessions (expires);
CREATE TABLE sessions_marks (
	instance BLOB    NOT NULL PRIMARY KEY,
	mark     BLOB    NOT NULL,
	at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions_store (
	schema  INTEGER NOT NULL,
	name    BLOB    NOT NULL,
	cleaned INTEGER NOT NULL
) STRICT;
INSERT INTO sessions_store (schema, name, cleaned) VALUES (1, randomblob(16), 0)`

// schemaVersion is what this package makes and reads.
const schemaVersion = 1

// named returns statements with the names of another table.
func named(statements, table string) string {
	return strings.ReplaceAll(statements, "sessions", table)
}

// migrate makes the tables where there are none, and checks their version. It runs in
// a transaction that holds the write lock.
func migrate(ctx context.Context, conn *sql.Conn, table string) error {
	var tables int
	var has sql.NullInt64 // of the tables: whether one is the store's own
	err := conn.QueryRowContext(ctx, `SELECT count(*), max(name = ?2) FROM sqlite_schema WHERE type = 'table' AND name IN (?1, ?2)`,
		table, table+"_store").Scan(&tables, &has)
	switch {
	case err != nil:
		return err
	case tables == 0:
		_, err := conn.ExecContext(ctx, named(Schema, table))
		return err
	case has.Int64 == 0:
		return fmt.Errorf("the file has a table %s of another program; set Options.Table", table)
	}
	var version int
	err = conn.QueryRowContext(ctx, named(`SELECT schema FROM sessions_store`, table)).Scan(&version)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("table %s_store is empty", table)
	case err != nil:
		return err
	case version != schemaVersion:
		return fmt.Errorf("the tables have version %d of the schema and this program knows version %d; use a newer program", version, schemaVersion)
	}
	return nil
}
