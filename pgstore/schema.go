package pgstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Schema returns the statements that make what a store needs, for a tool that migrates, or
// to be read. Element n takes a database from version n of the schema to version n+1; each
// is several statements, to be run in one transaction. The version is in the comment of
// the table. [Migrate] runs those that a database lacks.
//
// The table has no index but its primary key, and room in each page: an update that
// changes no indexed column, and finds room, is a heap-only one, which leaves nothing for
// VACUUM to do. An index on expires would end that, and the table would grow with each
// refresh of an expiry.
func Schema(all ...Option) []string {
	o := optionsOf(all)
	kind := "TABLE"
	if o.unlogged {
		kind = "UNLOGGED TABLE"
	}
	fill := strings.NewReplacer("{t}", o.name(), "{state}", o.state(), "{TABLE}", kind,
		"{fillfactor}", strconv.Itoa(fillfactor), "{comment}", literal(versionComment(1))).Replace
	return []string{fill(schema1)}
}

// fillfactor leaves a third of each page to updates.
const fillfactor = 65

const schema1 = `CREATE {TABLE} {t} (
	id      text COLLATE "C" PRIMARY KEY,
	version bytea NOT NULL,
	expires timestamptz NOT NULL,
	data    bytea NOT NULL
) WITH (
	fillfactor = {fillfactor},
	autovacuum_vacuum_scale_factor = 0.05,
	toast.autovacuum_vacuum_scale_factor = 0.05
);
-- The data is compressed where that pays, before it comes here.
ALTER TABLE {t} ALTER COLUMN data SET STORAGE EXTERNAL;
-- One row, which a crash of the server takes along, so that every instance notices one.
-- It also says which instance deletes what has expired.
CREATE UNLOGGED TABLE {state} (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	marker  bytea NOT NULL,
	cleaner bytea,
	until   timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE {t} IS {comment};
`

const commentBegins = "sessions, schema version "

func versionComment(n int) string { return commentBegins + strconv.Itoa(n) }

// Conn is what [Migrate] needs: a *pgx.Conn, a *pgxpool.Pool or a pgx.Tx.
type Conn interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Migrate brings the schema to the newest version, in one transaction. It does nothing
// where the schema has that version already, and any number of instances may call it at
// once. The user of conn needs the right to create tables, and owns the tables then. A
// table of the same name that this package did not make is an error.
func Migrate(ctx context.Context, conn Conn, all ...Option) error {
	o := optionsOf(all)
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "sessions: migrate "+o.name()); err != nil {
			return err
		}
		has, err := schemaVersion(ctx, tx, o)
		if err != nil {
			return err
		}
		wants := Schema(all...)
		if has > len(wants) {
			return fmt.Errorf("%s has version %d of the schema, and this program knows %d", o.name(), has, len(wants))
		}
		for _, statements := range wants[has:] {
			if _, err := tx.Exec(ctx, statements); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("session: postgres migrate: %w", explained(err, o))
	}
	return nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// schemaVersion is 0 where there is no table, or none of this package's.
func schemaVersion(ctx context.Context, q querier, o options) (int, error) {
	var comment string
	err := q.QueryRow(ctx, `SELECT coalesce(obj_description(to_regclass($1), 'pg_class'), '')`, o.name()).Scan(&comment)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(comment, commentBegins))
	return n, nil
}
