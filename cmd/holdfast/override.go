package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/override"
)

// overrideCommand shows, gives and ends the fleet's order.
type overrideCommand struct {
	Get   getOrder   `cmd:"" help:"Show the order that stands."`
	Set   setOrder   `cmd:"" help:"Give an order, in the place of the one that stands."`
	Clear clearOrder `cmd:"" help:"End the order that stands."`
}

// orderPlace is where the order stands.
type orderPlace struct {
	Order  string        `required:"" placeholder:"ADDRESS" help:"Where the fleet's order stands: etcd://host:port,host:port/key, zk://host:port,host:port/path, or a store's address with #key behind it."`
	Within time.Duration `default:"10s" help:"How long to try."`
	JSON   bool          `help:"Print the order in JSON, as a source has it."`
}

// do opens the place and calls f with the entry that stands there.
func (p orderPlace) do(ctx context.Context, log *slog.Logger, f func(context.Context, coordinator.Coordinator, string, coordinator.Entry) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	shared, name, err := openOrder(ctx, p.Order, openStore, log)
	if err != nil {
		return err
	}
	defer shared.Close()
	e, err := shared.Get(ctx, name)
	if err != nil {
		return fmt.Errorf("the order at %s is not to be had: %w", name, err)
	}
	return f(ctx, shared, name, e)
}

var errNoOrder = errors.New("what stands is no order, and every instance goes by the last one that was")

type getOrder struct{ orderPlace }

// Run prints the order.
func (c *getOrder) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	return c.do(ctx, log, func(_ context.Context, _ coordinator.Coordinator, _ string, e coordinator.Entry) error {
		var o override.Order
		if e.Revision != 0 {
			var err error
			if o, err = override.Parse(string(e.Value) + "\n"); err != nil {
				return finding{fmt.Errorf("%w: %w", errNoOrder, err)}
			}
		}
		return c.print(stdout, o)
	})
}

// print prints the order that stands.
func (p orderPlace) print(stdout io.Writer, o override.Order) error {
	if p.JSON {
		return json.NewEncoder(stdout).Encode(o)
	}
	_, err := fmt.Fprintln(stdout, inWords(o, time.Now()))
	return err
}

// inWords puts an order in words for people.
func inWords(o override.Order, now time.Time) string {
	text := strings.ReplaceAll(o.Mode.String(), " ", "-")
	if o.Shard != "" {
		text += " for the shard " + o.Shard
	}
	if o.Lease > 0 {
		text += ", backups vouch for " + o.Lease.String()
	}
	if o.By != "" {
		text += ", by " + o.By
	}
	switch {
	case o.Until.IsZero():
		return text
	case !now.Before(o.Until):
		return text + ", which has ended at " + o.Until.UTC().Format(time.RFC3339)
	}
	return text + ", until " + o.Until.UTC().Format(time.RFC3339)
}

type setOrder struct {
	orderPlace

	Mode  string        `arg:"" enum:"auto,store-only,backup-only" help:"auto, store-only or backup-only."`
	For   time.Duration `help:"When the order ends by itself, from now on. Give every order an end." xor:"end" required:""`
	Ever  bool          `name:"without-end" help:"The order stands until somebody ends it." xor:"end" required:""`
	Shard string        `placeholder:"NAME" help:"Leave only this shard of the store alone, by its name in session.Stats; with backup-only."`
	Lease time.Duration `help:"How long backups vouch for a session meanwhile."`
	By    string        `placeholder:"NAME" help:"Who gives the order, for people to read. The default is the name of the account."`
}

// Run gives the order.
func (c *setOrder) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	o, err := c.order(time.Now())
	if err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return c.do(ctx, log, func(ctx context.Context, shared coordinator.Coordinator, name string, e coordinator.Entry) error {
		for {
			done, err := shared.Set(ctx, name, text, e.Revision)
			if err != nil {
				return fmt.Errorf("the order may stand or not: %w", err)
			}
			if done {
				return c.print(stdout, o)
			}
			if e, err = shared.Get(ctx, name); err != nil { // another has written it meanwhile
				return err
			}
		}
	})
}

func (c *setOrder) order(now time.Time) (override.Order, error) {
	o, err := override.Parse(strings.TrimSpace(c.Mode) + "\n")
	if err != nil {
		return o, err
	}
	if c.For < 0 || c.Lease < 0 {
		return o, fmt.Errorf("--for %v, --lease %v: must be longer than 0", c.For, c.Lease)
	}
	if c.By == verdict.By {
		return o, fmt.Errorf("--by %q: monitors go by that name, and would take the order for their own and end it", c.By)
	}
	o.Lease, o.By = c.Lease, c.By
	o.Shard = c.Shard
	if o.By == "" {
		o.By = os.Getenv("USER")
	}
	if c.For > 0 {
		o.Until = now.Add(c.For).UTC().Truncate(time.Second)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return o, err
	}
	return override.Parse(string(text)) // which bounds what people may write
}

type clearOrder struct{ orderPlace }

// Run ends the order.
func (c *clearOrder) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	return c.do(ctx, log, func(ctx context.Context, shared coordinator.Coordinator, name string, e coordinator.Entry) error {
		for e.Revision != 0 {
			done, err := shared.Remove(ctx, name, e.Revision)
			if err != nil {
				return fmt.Errorf("the order may stand or not: %w", err)
			}
			if done {
				break
			}
			if e, err = shared.Get(ctx, name); err != nil {
				return err
			}
		}
		return c.print(stdout, override.Order{})
	})
}
