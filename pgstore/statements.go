package pgstore

import "strings"

// statements are those of one table.
type statements struct {
	load, list                     string
	create, replace, compareAndSet string
	remove, removeVersion          string
	probe, probeAlone, mark        string
	clean, cleaned                 string
}

// A row that has expired is as good as none. In a save the time is that of the row's turn
// and not of the statement's begin: a save may wait for another one.
func newStatements(o options) statements {
	fill := strings.NewReplacer("{t}", o.name(), "{state}", o.state(), "{literal}", literal(o.name()), "{end}", "clock_timestamp() + make_interval(secs => $4::float8)").Replace
	return statements{
		load: fill(`SELECT version, data FROM {t} WHERE id = $1 AND expires > now()`),

		list: fill(`SELECT id FROM {t} WHERE id > $1 AND expires > now() ORDER BY id LIMIT 1000`),

		create: fill(`INSERT INTO {t} AS s (id, version, data, expires) VALUES ($1, $2, $3, {end})
			ON CONFLICT (id) DO UPDATE SET version = $2, data = $3, expires = {end} WHERE s.expires <= clock_timestamp()`),

		replace: fill(`INSERT INTO {t} (id, version, data, expires) VALUES ($1, $2, $3, {end})
			ON CONFLICT (id) DO UPDATE SET version = $2, data = $3, expires = {end}`),

		compareAndSet: fill(`UPDATE {t} SET version = $2, data = $3, expires = {end}
			WHERE id = $1 AND version = $5 AND expires > clock_timestamp()`),

		remove: fill(`DELETE FROM {t} WHERE id = $1`),

		removeVersion: fill(`DELETE FROM {t} WHERE id = $1 AND version = $2 AND expires > clock_timestamp()`),

		probe: fill(`SELECT system_identifier::text || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8),
				{literal}::regclass::oid::text, (SELECT encode(marker, 'hex') FROM {state})
			FROM pg_control_system()`),

		probeAlone: fill(`SELECT '', {literal}::regclass::oid::text, (SELECT encode(marker, 'hex') FROM {state})`),

		mark: fill(`INSERT INTO {state} (marker) VALUES (uuid_send(gen_random_uuid())) ON CONFLICT (one) DO NOTHING`),

		// A TID range scan reads the blocks from $1 to $2, and needs no index.
		clean: fill(`WITH turn AS (
				INSERT INTO {state} AS s (marker, cleaner, until) VALUES (uuid_send(gen_random_uuid()), $3, clock_timestamp() + make_interval(secs => $4::float8))
				ON CONFLICT (one) DO UPDATE SET cleaner = $3, until = clock_timestamp() + make_interval(secs => $4::float8)
				WHERE s.until <= clock_timestamp() OR s.cleaner = $3
				RETURNING true
			), gone AS (
				DELETE FROM {t} WHERE ctid >= $1::tid AND ctid < $2::tid AND expires <= clock_timestamp() AND EXISTS (SELECT FROM turn)
				RETURNING true
			)
			SELECT EXISTS (SELECT FROM turn), (SELECT count(*) FROM gone),
				pg_relation_size({literal}) / current_setting('block_size')::bigint`),

		cleaned: fill(`UPDATE {state} SET until = clock_timestamp() + make_interval(secs => $2::float8) WHERE cleaner = $1`),
	}
}

// literal is a string of SQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
