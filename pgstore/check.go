package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// oldest is what a TID range scan takes, by which expired rows are found.
const oldest = 140000

// Check reports what is missing, or set so that it does harm: tables and columns, rights,
// an older schema, an index that breaks heap-only updates, a table without room in its
// pages, a level of isolation other than READ COMMITTED. The error has a line for each,
// with what to do. Call it when the program starts; it changes nothing, and a store works
// as well without it as it can.
func (s *Store) Check(ctx context.Context) error {
	found, err := do(ctx, s, "check", func(ctx context.Context) ([]error, error) {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Release()
		c := check{ctx: ctx, options: s.options, tx: conn.Conn()}
		for _, part := range []func() error{c.server, c.tables, c.version, c.rights, c.updates} {
			if err := part(); err != nil {
				return nil, err
			}
		}
		return c.found, nil
	})
	return errors.Join(append(found, err)...)
}

// check collects what is found.
type check struct {
	options
	ctx     context.Context // of the one call that a check is
	tx      *pgx.Conn
	found   []error
	missing bool // a table is
}

func (c *check) add(format string, a ...any) {
	c.found = append(c.found, fmt.Errorf("session: postgres check: "+format, a...))
}

func (c *check) row(query string, args []any, to ...any) error {
	return c.tx.QueryRow(c.ctx, query, args...).Scan(to...)
}

func (c *check) server() error {
	var version int
	var isStandby bool
	var isolation, readOnly string
	err := c.row(`SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
		current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only')`, nil,
		&version, &isStandby, &isolation, &readOnly)
	if err != nil {
		return err
	}
	if version < oldest {
		c.add("the server is PostgreSQL %d; 14 is the oldest that this store knows", version/10000)
	}
	if isStandby {
		c.add("the server is a standby; connect to the primary")
	}
	if isolation != "read committed" {
		c.add("connections have the isolation %q; take the pool's options from pgstore.PoolConfig, or run ALTER ROLE … SET default_transaction_isolation = 'read committed'", isolation)
	}
	if readOnly != "off" {
		c.add("connections are read-only; run ALTER ROLE … SET default_transaction_read_only = off")
	}
	return nil
}

// wanted are the columns, with type and collation.
func (o options) wanted() map[string]map[string]string {
	return map[string]map[string]string{
		o.name():  {"id": "text C", "version": "bytea ", "expires": "timestamp with time zone ", "data": "bytea "},
		o.state(): {"one": "boolean ", "marker": "bytea ", "cleaner": "bytea ", "until": "timestamp with time zone "},
	}
}

func (c *check) tables() error {
	for _, table := range []string{c.name(), c.state()} {
		rows, err := c.tx.Query(c.ctx, `SELECT attname, format_type(atttypid, atttypmod) || ' ' || coalesce(collname, '')
			FROM pg_attribute LEFT JOIN pg_collation ON pg_collation.oid = attcollation AND collname <> 'default'
			WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`, table)
		if err != nil {
			return err
		}
		has := map[string]string{}
		var name, is string
		if _, err := pgx.ForEachRow(rows, []any{&name, &is}, func() error { has[name] = is; return nil }); err != nil {
			return err
		}
		if len(has) == 0 {
			c.missing = true
			c.add("there is no table %s; run pgstore.Migrate, or the statements of pgstore.Schema", table)
			continue
		}
		for column, want := range c.wanted()[table] {
			if has[column] != want {
				c.missing = true
				c.add("the column %s of %s is %q, want %q; run pgstore.Migrate, or give the store a table of its own by the option Table",
					column, table, strings.TrimSpace(has[column]), strings.TrimSpace(want))
			}
		}
	}
	return nil
}

func (c *check) version() error {
	if c.missing {
		return nil
	}
	has, err := schemaVersion(c.ctx, c.tx, c.options)
	if err != nil {
		return err
	}
	if want := len(Schema()); has != want {
		c.add("the comment of %s says version %d of the schema, want %d; run pgstore.Migrate, or an older or newer program", c.name(), has, want)
	}
	return nil
}

func (c *check) rights() error {
	if c.missing {
		return nil
	}
	var lacks []string
	for _, table := range []string{c.name(), c.state()} {
		for _, right := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
			var has bool
			if err := c.row(`SELECT has_table_privilege($1, $2)`, []any{table, right}, &has); err != nil {
				return err
			}
			if !has {
				lacks = append(lacks, right+" on "+table)
			}
		}
	}
	if lacks != nil {
		c.add("the user may not %s; %s", strings.Join(lacks, ", "), c.grant())
	}
	return nil
}

// updates checks that an update can be a heap-only one. The columns of an index are
// those of its expressions and its condition too.
func (c *check) updates() error {
	if c.missing {
		return nil
	}
	rows, err := c.tx.Query(c.ctx, `SELECT DISTINCT i.indexrelid::regclass::text FROM pg_index i
		JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
		JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
		WHERE i.indrelid = to_regclass($1) AND a.attname IN ('version', 'expires', 'data')
			AND NOT (m.amname = 'brin' AND current_setting('server_version_num')::int >= 160000)`, c.name())
	if err != nil {
		return err
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, index := range indexes {
		c.add("the index %s makes every save write to all indexes, and the table grow; run DROP INDEX %s", index, index)
	}
	var factor string
	err = c.row(`SELECT coalesce((SELECT option_value FROM pg_options_to_table(reloptions) WHERE option_name = 'fillfactor'), '100')
		FROM pg_class WHERE oid = to_regclass($1)`, []any{c.name()}, &factor)
	if err != nil {
		return err
	}
	if n, _ := strconv.Atoi(factor); n > 90 {
		c.add("the pages of %s have no room for updates; run ALTER TABLE %s SET (fillfactor = %d)", c.name(), c.name(), fillfactor)
	}
	return nil
}
