package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
	"github.com/holdfast-go/session/moving"
)

// moveCommand shows how far a move between two stores has come.
type moveCommand struct {
	From   string        `required:"" placeholder:"STORE" help:"The old store, from which package moving takes the sessions."`
	To     string        `required:"" placeholder:"STORE" help:"The new store."`
	Watch  bool          `help:"Go on until nothing is left, or the command is interrupted."`
	Every  time.Duration `default:"30s" help:"How often to look, with --watch. Each look loads every session that the old store names."`
	Within time.Duration `default:"10m" help:"How long to look, each time."`
	JSON   bool          `help:"Print JSON, one object each time."`
}

// moveReport is what one look has found.
type moveReport struct {
	At    time.Time `json:"at"`
	Moved int       `json:"moved"` // that the new store has, of those that the old one still names
	Left  int       `json:"left"`  // that the old store has alone
}

// Run counts, and changes nothing. The exit status is 0 where nothing is left, 1 where something is,
// and 2 where it cannot be told.
func (c *moveCommand) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	if c.From == c.To {
		return errors.New("move: --from and --to name one store")
	}
	if c.Every < time.Second {
		return fmt.Errorf("move: --every %v: 1s or longer makes sense", c.Every)
	}
	for {
		left, err := c.look(ctx, stdout, log)
		if err != nil || left == 0 {
			return err
		}
		if !c.Watch {
			return exitStatus(exitFound)
		}
		select {
		case <-time.After(c.Every):
		case <-ctx.Done():
			return exitStatus(exitFound)
		}
	}
}

// look counts once, over connections of its own.
func (c *moveCommand) look(ctx context.Context, stdout io.Writer, log *slog.Logger) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	from, closeFrom, err := openStore(ctx, c.From, log)
	if err != nil {
		return 0, fmt.Errorf("--from: %w", err)
	}
	defer closeFrom()
	to, closeTo, err := openStore(ctx, c.To, log)
	if err != nil {
		return 0, fmt.Errorf("--to: %w", err)
	}
	defer closeTo()
	p, err := moving.New(from, to, moving.Move, nil).Count(ctx)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return 0, errors.New("--from: a memcached cannot tell what it holds; stay at Move until the last session that nobody used has ended: docs/MOVING.md")
	case err != nil:
		return 0, fmt.Errorf("%d sessions have moved and %d are left, as far as it was counted: %w", p.Moved, p.Left, err)
	}
	r := moveReport{time.Now().UTC(), p.Moved, p.Left}
	if c.JSON {
		return p.Left, printJSON(stdout, r)
	}
	_, err = fmt.Fprintf(stdout, "%s: %d sessions are left in %s alone, and %d of those that it names are in %s too.\n",
		r.At.Format(time.TimeOnly), r.Left, address.Name(c.From), r.Moved, address.Name(c.To))
	if err == nil && p.Left == 0 {
		_, err = fmt.Fprintln(stdout, "Nothing is left: every instance may have the new store alone.")
	}
	return p.Left, err
}
