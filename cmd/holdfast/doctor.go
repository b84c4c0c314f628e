package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/doctor"
)

type doctorCommand struct {
	Stores []string      `arg:"" optional:"" name:"store" help:"A store: redis://…, rediss://…, memcached://host:port,host:port, postgres://…, mysql://… or sqlite:FILE. Name the list of each instance where they may differ."`
	Pages  []string      `name:"page" placeholder:"URL" help:"A page that sets the session's cookies for a new visitor. May be repeated, for each instance too."`
	Keys   []string      `name:"keys" placeholder:"FILE" help:"The keys of an instance's backups. May be repeated."`
	Table  string        `help:"The table of sessions in a database, where it is not the default one."`
	Within time.Duration `default:"10s" help:"How long to look."`
	JSON   bool          `help:"Report in JSON."`
}

// Run looks, and prints what it finds.
func (c *doctorCommand) Run(ctx context.Context, stdout io.Writer) error {
	if len(c.Stores)+len(c.Pages)+len(c.Keys) == 0 {
		return errors.New("doctor: name a store, a --page or --keys")
	}
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	report := doctor.Examine(ctx, doctor.Options{Stores: c.Stores, Pages: c.Pages, Keys: c.Keys, Table: c.Table})
	if c.JSON {
		if err := printJSON(stdout, report); err != nil {
			return err
		}
	} else {
		report.Write(stdout)
	}
	if status := report.Exit(); status != 0 {
		return exitStatus(status)
	}
	return nil
}
