package mysqlstore

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Options are the options of [Open]. The zero value, and nil, are the defaults.
type Options struct {
	// Table is the table of the sessions, "sessions" by default. The names of two more
	// tables begin with it. Stores of two applications in one database need two names. It
	// is a letter or an underscore, then letters, digits and underscores.
	Table string

	// Conns is how many connections the store keeps open to the server, 16 by default.
	// Further statements wait.
	Conns int

	// StatementTimeout is how long a statement may take, whether or not its caller still
	// waits; then its connection is closed. 5 s by default. Make it longer than the server is
	// ever slow.
	StatementTimeout time.Duration

	// MaxRecord is the largest Record.Data that the store takes, 4 MB by default. A
	// larger one is ErrTooLarge.
	MaxRecord int

	// CleanEvery is how often expired records are deleted, by one of the processes that
	// share the table; a minute by default. With a negative value the store deletes none:
	// call Clean.
	CleanEvery time.Duration
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,50}$`)

// withDefaults returns a copy in which nothing is missing.
func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Table == "" {
		c.Table = "sessions"
	}
	if c.Conns == 0 {
		c.Conns = 16
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = 5 * time.Second
	}
	if c.MaxRecord == 0 {
		c.MaxRecord = 4 << 20
	}
	if c.CleanEvery == 0 {
		c.CleanEvery = time.Minute
	}
	if !tableName.MatchString(c.Table) {
		return c, fmt.Errorf("session: mysql: Options.Table %q: want a letter or an underscore, then letters, digits and underscores", c.Table)
	}
	if c.Conns < 0 || c.StatementTimeout < 0 || c.MaxRecord < 0 {
		return c, errors.New("session: mysql: Options.Conns, StatementTimeout and MaxRecord are not negative")
	}
	return c, nil
}
