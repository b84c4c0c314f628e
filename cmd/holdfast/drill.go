package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/drill"
)

type drillCommand struct {
	Order      string        `required:"" placeholder:"ADDRESS" help:"Where the fleet's order stands: etcd://host:port,host:port/key, zk://host:port,host:port/path, or a store's address with #key behind it."`
	Instances  []string      `required:"" name:"instance" placeholder:"URL" help:"Where an instance shows session.Stats as JSON. Name all of them; may be repeated."`
	Pages      []string      `name:"page" placeholder:"URL" help:"A page with a session that visitors of the drill ask for all the time. May be repeated."`
	Login      string        `placeholder:"PATH" help:"Where each visitor posts the query first, as a form, on the server of its page: /login?name=drill. Without it the pages begin a session."`
	Shard      string        `placeholder:"NAME" help:"Leave only this shard of the store alone, by its name in session.Stats."`
	For        time.Duration `default:"1m" help:"How long the store is left alone."`
	MostFailed int           `default:"0" help:"Stop when more visits fail."`
	MostOwed   int           `default:"16777216" help:"Stop when an instance owes its store more bytes. Its journal holds 64 MB by default."`
	Patience   time.Duration `default:"1m" help:"How long the instances may take to follow, and to deliver."`
	JSON       bool          `help:"Report in JSON."`
}

// errDrill is a drill that has begun and did not pass. The report says why.
var errDrill = finding{errors.New("the drill did not pass")}

// Run does the drill and prints its report.
func (c *drillCommand) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	if min(c.For, c.Patience) <= 0 {
		return fmt.Errorf("--for %v, --patience %v: must be longer than 0", c.For, c.Patience)
	}
	shared, order, err := openOrder(ctx, c.Order, openStore, log)
	if err != nil {
		return err
	}
	defer shared.Close()
	report, err := drill.Run(ctx, drill.Options{
		Coordinator: shared, Order: order, Shard: c.Shard, For: c.For,
		Instances: c.Instances, Pages: c.Pages, Login: c.Login, MostFailed: c.MostFailed, MostOwed: c.MostOwed,
		Patience: c.Patience, Log: log,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(stdout, report); err != nil {
			return err
		}
	} else {
		io.WriteString(stdout, report.String())
	}
	if !report.Passed {
		return errDrill
	}
	return nil
}
