package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/monitor"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
)

type monitorCommand struct {
	Store     string        `required:"" placeholder:"ADDRESS" help:"The store: memcached://host:port,host:port or redis://user:password@host:port/db."`
	Order     string        `required:"" placeholder:"ADDRESS" help:"Where the fleet's order stands: etcd://host:port,host:port/key, zk://host:port,host:port/path, or a store's address with #key behind it."`
	Observers int           `required:"" placeholder:"N" help:"How many monitors are configured, this one too. A majority of them decides."`
	Name      string        `placeholder:"NAME" help:"This monitor's name, another than any other's. The default is the host's name."`
	Instances []string      `name:"instance" placeholder:"URL" help:"Where an instance shows session.Stats as JSON. Where most are served, this monitor orders nothing. May be repeated."`
	Every     time.Duration `default:"1s" help:"Time between two probes."`
	Read      time.Duration `default:"50ms" help:"How long a visitor would wait for a read."`
	Save      time.Duration `default:"100ms" help:"How long a visitor would wait for a save."`
	JSON      bool          `help:"Print what happens on standard output, an object in JSON a line."`
}

// Run works until ctx ends.
func (c *monitorCommand) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("--name: %w", err)
		}
		c.Name = strings.ReplaceAll(host, " ", "-")
	}
	if min(c.Read, c.Save) <= 0 {
		return fmt.Errorf("--read %v, --save %v: must be longer than 0", c.Read, c.Save)
	}
	if c.Every > 0 && max(c.Read, c.Save) >= 3*c.Every {
		return fmt.Errorf("--read %v, --save %v: shorter than three times --every %v, or a probe of a store that is frozen makes the monitor so late that it does not vote", c.Read, c.Save, c.Every)
	}
	if c.JSON {
		log = slog.New(slog.NewJSONHandler(stdout, nil))
	}
	shared, order, err := openOrder(ctx, c.Order, awaitStore, log)
	if err != nil {
		return err
	}
	defer shared.Close()
	store, closeStore, err := awaitStore(ctx, c.Store, log)
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	defer closeStore()
	probes := monitor.NewProbes(store, monitor.Budgets{Read: c.Read, Save: c.Save})
	m, err := monitor.New(monitor.Options{
		Name: c.Name, Observers: c.Observers, Rules: verdict.Defaults, Every: c.Every,
		Coordinator: shared, Order: order,
		Shards: probes.Shards(), Probe: probes.Probe, Instances: c.Instances, Log: log,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		log.InfoContext(ctx, "the monitor watches", "name", c.Name, "shards", probes.Shards(), "order", order)
	} else {
		fmt.Fprintf(stdout, "The monitor %s watches %d shards; the order stands at %s.\n", c.Name, len(probes.Shards()), order)
	}
	m.Run(ctx)
	return nil
}
