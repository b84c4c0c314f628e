package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/doctor"
)

type doctorCommand struct {
	Stores []string      `arg:"" optional:"" name:"store" help:"A store: redis://…, rediss://…, memcached://host:port,host:port, postgres://…, mysql://… or sqlite:FILE. Name the list of each instance where they may differ."`
	Pages  []string      `name:"page" placeholder:"URL" help:"A page that sets the session's cookies for a new visitor. May be repeated, for each instance too."`
	Keys   []string      `name:"keys" placeholder:"FILE" help:"The keys of an instance's backups. May be repeated."`
	Admin  []string      `placeholder:"URL" help:"An operators' page (package admin): the clocks of the instances that it shows are compared. May be repeated. In a store they are found without it."`
	Token  string        `name:"token-file" placeholder:"FILE" help:"A file with the token that the page of --admin asks for, as for holdfast status."`
	Table  string        `help:"The table of sessions in a database, where it is not the default one."`
	Within time.Duration `default:"20s" help:"How long to look."`
	JSON   bool          `help:"Report in JSON."`
}

// Run looks, and prints what it finds.
func (c *doctorCommand) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	if len(c.Stores)+len(c.Pages)+len(c.Keys)+len(c.Admin) == 0 {
		return errors.New("doctor: name a store, a --page, --keys or --admin")
	}
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	boards, err := c.boards(log)
	if err != nil {
		return err
	}
	report := doctor.Examine(ctx, doctor.Options{Stores: c.Stores, Pages: c.Pages, Keys: c.Keys, Table: c.Table, Boards: boards})
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

// boards returns where instances may have written their status.
func (c *doctorCommand) boards(log *slog.Logger) (all []doctor.Board, err error) {
	for _, text := range c.Stores {
		all = append(all, doctor.StoreBoard(text, func(ctx context.Context) (session.Store, func(), error) { return openStore(ctx, text, log) }))
	}
	for _, url := range c.Admin {
		client, err := page{URL: url, TokenFile: c.Token}.client()
		if err != nil {
			return nil, fmt.Errorf("--admin: %w", err)
		}
		all = append(all, doctor.PageBoard(client))
	}
	return all, nil
}
