package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
)

// sessionsCommand finds and ends sessions.
type sessionsCommand struct {
	Ls        listSessions `cmd:"" help:"List the sessions that a user is logged in with."`
	Show      showSession  `cmd:"" help:"Show one session: its dates, its user and the names of its values."`
	End       endSession   `cmd:"" help:"End one session, on every instance. Where no session has the ID the exit status is 1; a copy of one that is left somewhere is worth nothing from then on."`
	EndUser   endUser      `cmd:"" help:"End all sessions of a user, wherever they are."`
	EndBefore endBefore    `cmd:"" help:"End everybody's sessions that began, or last logged in, at a time or before."`
}

// asking has the flags that all of these commands take.
type asking struct {
	page

	JSON bool `help:"Print JSON."`
}

// ask calls do with a client and prints what it returns, as JSON or by show. ok reports
// whether the answer is what was hoped for: if not, the exit status is 1. It is 2 where the page
// cannot be asked, or refuses.
func ask[T any](ctx context.Context, c asking, stdout io.Writer, log *slog.Logger, do func(context.Context, *admin.Client) (T, error), show func(io.Writer, T), ok func(T) bool) error {
	client, err := c.client()
	if err != nil {
		return failed(log, err)
	}
	defer client.HTTP.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	answer, err := do(ctx, client)
	switch {
	case errors.Is(err, session.ErrNoSession):
		log.Warn("there is no such session, or it has ended")
		return exitStatus(exitFound)
	case err != nil:
		return failed(log, err)
	case c.JSON:
		if err := json.NewEncoder(stdout).Encode(answer); err != nil {
			return err
		}
	default:
		show(stdout, answer)
	}
	if !ok(answer) {
		return exitStatus(exitFound)
	}
	return nil
}

type listSessions struct {
	asking

	User string `arg:"" help:"The user, as the application's SetUser was told."`
}

// Run lists a user's sessions. The exit status is 1 where there is none, or may be more.
func (c *listSessions) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	list := func(ctx context.Context, client *admin.Client) (admin.Sessions, error) {
		s, err := client.Sessions(ctx, c.User)
		if s.Problem != "" {
			log.Warn("there may be more sessions than these", "error", printable(s.Problem))
		}
		return s, err
	}
	return ask(ctx, c.asking, stdout, log, list, func(w io.Writer, s admin.Sessions) {
		const columns = "%-32s  %-20s  %-20s  %-20s\n"
		fmt.Fprintf(w, columns, "ID", "BEGAN", "LAST USED", "ENDS")
		for _, one := range s.Sessions {
			fmt.Fprintf(w, columns, one.ID, clock(one.Began), clock(one.Seen), clock(one.Expires))
		}
	}, func(s admin.Sessions) bool { return len(s.Sessions) > 0 && s.Problem == "" })
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

type showSession struct {
	asking

	ID string `arg:"" help:"The session's ID, as logs have it."`
}

// Run shows a session. The exit status is 1 where there is none.
func (c *showSession) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	get := func(ctx context.Context, client *admin.Client) (admin.Session, error) {
		return client.Session(ctx, session.ID(c.ID))
	}
	return ask(ctx, c.asking, stdout, log, get, func(w io.Writer, s admin.Session) {
		row := func(name, value string) { fmt.Fprintf(w, "%-10s %s\n", name, printable(value)) }
		row("id", string(s.ID))
		if s.User != "" {
			row("user", s.User)
			row("logged in", clock(s.LoggedIn))
		}
		row("began", clock(s.Began))
		row("last used", clock(s.Seen))
		row("ends", clock(s.Expires))
		row("values", strings.Join(s.Names, ", "))
		for _, name := range slices.Sorted(maps.Keys(s.Values)) {
			row("  "+name, string(s.Values[name]))
		}
	}, func(admin.Session) bool { return true })
}

// act ends sessions. The exit status is 1 where the end waits for the store, or no session had
// the ID.
func (c asking) act(ctx context.Context, stdout io.Writer, log *slog.Logger, do func(context.Context, *admin.Client) (admin.Ended, error)) error {
	return ask(ctx, c, stdout, log, do, func(w io.Writer, e admin.Ended) {
		said := "ended"
		if e.Missing {
			said = "no session has this ID; none can begin under it"
		}
		if e.Outcome != "durable" {
			said += fmt.Sprintf(" at the instance that was asked; %s: the others hear of it when the store takes it", printable(e.Outcome))
		}
		fmt.Fprintln(w, said)
	}, func(e admin.Ended) bool { return e.Outcome == "durable" && !e.Missing })
}

type endSession struct {
	asking

	ID string `arg:"" help:"The session's ID, as logs have it."`
}

// Run ends a session.
func (c *endSession) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	return c.act(ctx, stdout, log, func(ctx context.Context, client *admin.Client) (admin.Ended, error) {
		return client.End(ctx, session.ID(c.ID))
	})
}

type endUser struct {
	asking

	User string `arg:"" help:"The user, as the application's SetUser was told."`
}

// Run ends all sessions of a user.
func (c *endUser) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	return c.act(ctx, stdout, log, func(ctx context.Context, client *admin.Client) (admin.Ended, error) {
		return client.EndUser(ctx, c.User)
	})
}

type endBefore struct {
	asking

	Before string `arg:"" name:"time" help:"A time like 2026-11-01T18:00:00Z, with its zone; or now."`
}

// Run ends everybody's sessions up to a time.
func (c *endBefore) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	before := time.Now()
	if c.Before != "now" {
		var err error
		if before, err = time.Parse(time.RFC3339, c.Before); err != nil {
			return failed(log, fmt.Errorf("%q is no time: write one like 2026-11-01T18:00:00Z, with its zone, or now", c.Before))
		}
	}
	return c.act(ctx, stdout, log, func(ctx context.Context, client *admin.Client) (admin.Ended, error) {
		return client.EndBefore(ctx, before)
	})
}
