package pgstore

import (
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Option is an option of [New], [Schema] and [Migrate]. Give all three the same.
type Option func(*options)

type options struct {
	table      pgx.Identifier
	unlogged   bool
	cleanEvery time.Duration
	log        *slog.Logger // nil: slog.Default
	direct     bool         // statements end with their callers
}

func optionsOf(all []Option) options {
	o := options{table: pgx.Identifier{"web_sessions"}, cleanEvery: 10 * time.Minute}
	for _, option := range all {
		option(&o)
	}
	return o
}

// Table names the table; the default is "web_sessions". A name with a dot is a schema and
// a table, as in "shop.web_sessions". Each is quoted, so it is what stands in the catalog:
// usually lower case.
func Table(name string) Option {
	return func(o *options) { o.table = strings.Split(name, ".") }
}

// Unlogged makes the table UNLOGGED: saves write no WAL, which makes them cheaper, and a
// server that crashed or a replica that was promoted starts with an empty table. Use it
// with a session.Backup only. The sealed copies in the visitors' cookies restore the
// sessions, and a visitor without a copy is logged out. Without a backup every crash logs
// out all visitors. A clean restart loses nothing.
//
// It is an option of [Schema] and [Migrate]. For a table that exists use ALTER TABLE … SET
// UNLOGGED or SET LOGGED, which rewrites it.
func Unlogged() Option { return func(o *options) { o.unlogged = true } }

// CleanEvery sets how often rows that have expired are deleted, by one instance for all.
// The default is ten minutes. Zero or less leaves that to the program.
func CleanEvery(d time.Duration) Option { return func(o *options) { o.cleanEvery = d } }

// Log sets where the store says what the server refuses and it can do without: one line
// for each, whatever happens later. Nothing else is logged. The default is slog.Default().
func Log(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// name is the table's, quoted.
func (o options) name() string { return o.table.Sanitize() }

// state is the name of the table beside it, quoted.
func (o options) state() string {
	beside := append(pgx.Identifier{}, o.table...)
	beside[len(beside)-1] += "_state"
	return beside.Sanitize()
}
