package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Schema makes what [Open] makes in an empty database, with the default names. It is
// here to be read, and for programs that make the tables themselves, one statement
// after each semicolon; Open finds those.
//
// The version of a record is random. An expiry is in UTC. The one row of sessions_store
// has the version of this schema, a random name of the database and when a process last
// began to delete what has expired. sessions_marks has what each process wrote there
// last, by which it notices that the database was set back to an older state.
const Schema = `CREATE TABLE IF NOT EXISTS sessions (
	id      VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
	version BINARY(16)  NOT NULL,
	expires DATETIME(3) NOT NULL,
	data    LONGBLOB    NOT NULL,
	KEY sessions_expires (expires)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS sessions_marks (
	instance BINARY(16)  NOT NULL PRIMARY KEY,
	mark     BINARY(16)  NOT NULL,
	at       DATETIME(3) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS sessions_store (
	id             TINYINT     NOT NULL PRIMARY KEY,
	schema_version INT         NOT NULL,
	name           BINARY(16)  NOT NULL,
	cleaned        DATETIME(3) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
INSERT IGNORE INTO sessions_store (id, schema_version, name, cleaned)
	VALUES (1, 1, UNHEX(REPLACE(UUID(), '-', '')), '2000-01-01')`

// schemaVersion is what this package makes and reads.
const schemaVersion = 1

// named returns a statement with the names of another table.
func named(statement, table string) string {
	return strings.ReplaceAll(statement, "sessions", table)
}

// migrate makes the tables where there are none, and checks what the store relies on.
func migrate(ctx context.Context, db *sql.DB, o Options) error {
	version, err := readVersion(ctx, db, o.Table)
	if isNumber(err, noSuchTable) || errors.Is(err, sql.ErrNoRows) {
		for statement := range strings.SplitSeq(named(Schema, o.Table), ";\n") {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		version, err = readVersion(ctx, db, o.Table)
	}
	if err != nil {
		return err
	}
	if version != schemaVersion {
		return fmt.Errorf("the tables have version %d of the schema and this program knows version %d; use a newer program", version, schemaVersion)
	}
	var engine string
	err = db.QueryRowContext(ctx, `SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`, o.Table).
		Scan(&engine)
	if err != nil {
		return err
	}
	if engine != "InnoDB" {
		return fmt.Errorf("the table %s has the engine %s, and needs InnoDB", o.Table, engine)
	}
	var packet int
	if err := db.QueryRowContext(ctx, `SELECT @@max_allowed_packet`).Scan(&packet); err != nil {
		return err
	}
	if need := packetOf(o.MaxRecord); packet < need {
		return fmt.Errorf("max_allowed_packet is %d, and Options.MaxRecord %d needs %d", packet, o.MaxRecord, need)
	}
	return nil
}

// packetOf is how large the statement may be that saves a record: each byte may be
// escaped.
func packetOf(record int) int { return 2*record + 4096 }

func readVersion(ctx context.Context, db *sql.DB, table string) (version int, err error) {
	err = db.QueryRowContext(ctx, named(`SELECT schema_version FROM sessions_store WHERE id = 1`, table)).Scan(&version)
	return version, err
}

// Numbers of the server's errors.
const (
	noSuchTable     = 1146
	packetTooLarge  = 1153
	unknownVariable = 1193
	deadlock        = 1213
)

func isNumber(err error, number uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == number
}
