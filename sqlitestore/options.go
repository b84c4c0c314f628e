package sqlitestore

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Options are the options of [Open]. The zero value, and nil, are the defaults.
type Options struct {
	// Table is the table of the sessions, "sessions" by default. The names of two more
	// tables and an index begin with it. Stores of two applications in one file need two
	// names. Beside tables of the application, see [Open] for which driver may have the
	// file open. The name is a letter or an underscore, then letters, digits and underscores.
	Table string

	// LosesOnPowerFailure lets Save return before its record is on disk. A power
	// failure, or a crash of the operating system, then loses the last changes and
	// logouts, of up to some minutes. A crash of the program loses nothing. Without it,
	// each group of saves waits for the disk, some milliseconds.
	LosesOnPowerFailure bool

	// CleanEvery is how often expired records are deleted, by one of the processes that
	// share the file; a minute by default. With a negative value the store deletes none:
	// call Clean.
	CleanEvery time.Duration

	// Readers is how many loads may ask the file at the same time, 4 by default.
	// Further ones wait.
	Readers int
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,60}$`)

// withDefaults returns a copy in which nothing is missing.
func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Table == "" {
		c.Table = "sessions"
	}
	if c.CleanEvery == 0 {
		c.CleanEvery = time.Minute
	}
	if c.Readers == 0 {
		c.Readers = 4
	}
	if !tableName.MatchString(c.Table) {
		return c, fmt.Errorf("session: sqlite: Options.Table %q: want a letter or an underscore, then letters, digits and underscores", c.Table)
	}
	if c.Readers < 0 {
		return c, errors.New("session: sqlite: Options.Readers is negative")
	}
	return c, nil
}
