package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
)

// statusCommand shows all instances of an application.
type statusCommand struct {
	page

	Watch bool          `help:"Go on, until the command is interrupted."`
	Every time.Duration `default:"2s" help:"How often to look, with --watch."`
	JSON  bool          `help:"Print JSON, one object each time."`
}

// Run prints a line for each instance and shard. The exit status is 0 where every instance is
// there and served by its store, 1 where one is not, and 2 where the page cannot be asked.
func (c *statusCommand) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	if c.Every < 100*time.Millisecond {
		return fmt.Errorf("--every %v: 100ms or longer makes sense", c.Every)
	}
	client, err := c.client()
	if err != nil {
		return failed(log, err)
	}
	defer client.HTTP.CloseIdleConnections()
	if !c.Watch {
		return c.look(ctx, client, stdout, log, true)
	}
	for n := 0; ; n++ {
		_ = c.look(ctx, client, stdout, log, n%20 == 0) // the error is printed, and the next round asks again
		select {
		case <-time.After(c.Every):
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *statusCommand) look(ctx context.Context, client *admin.Client, stdout io.Writer, log *slog.Logger, head bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	s, err := client.Status(ctx)
	if err != nil {
		return failed(log, err)
	}
	if c.JSON {
		if err := json.NewEncoder(stdout).Encode(s); err != nil {
			return err
		}
	} else {
		printStatus(stdout, s, head)
	}
	if s.Problem != "" {
		log.Warn("the instances may not be all, or not as they are now", "error", printable(s.Problem))
	}
	for _, i := range s.Instances {
		if i.Gone || i.Stats.Failing {
			return exitStatus(exitFound)
		}
	}
	return nil
}

// line is how the columns are laid out.
const line = "%-24s  %-22s  %-10s  %8s  %8s  %8s  %8s  %6s  %s\n"

func printStatus(w io.Writer, s admin.Status, head bool) {
	if head {
		fmt.Fprintf(w, line, "INSTANCE", "SHARD", "STATE", "SINCE", "WAITING", "OLDEST", "LOST", "KNOWN", "")
	}
	for _, i := range s.Instances {
		j := i.Stats.Journal
		shards := i.Stats.Shards
		if len(shards) == 0 { // without a backup, and before the first request
			shards = []session.ShardStats{{Since: i.Stats.Since}}
			if i.Stats.Failing {
				shards[0].State = session.Away
			}
		}
		for _, shard := range shards {
			state := shard.State.String()
			since := shard.Since
			notes := []string{}
			if i.Gone {
				state, since = "gone", i.Written
			}
			if shard.Cause != "" {
				notes = append(notes, string(shard.Cause))
			}
			if o := i.Order; o != nil && (o.Mode != "auto" || o.Lease > 0) {
				notes = append(notes, orderOf(o, s.Now))
			}
			name := shard.Name
			if name == "" {
				name = "-"
			}
			fmt.Fprintf(w, line, printable(i.Name), printable(name), printable(state), age(since, s.Now),
				strconv.Itoa(j.States+j.Tombstones+j.Again), age(j.Oldest, s.Now), strconv.FormatUint(j.Lost, 10), strconv.Itoa(j.Known), printable(strings.Join(notes, "; ")))
		}
	}
}

// orderOf puts the order in force in words.
func orderOf(o *admin.Order, now time.Time) string {
	words := "order: " + o.Mode
	if o.Shard != "" {
		words += " for " + o.Shard
	}
	if o.Lease > 0 {
		words += ", backups vouch for " + o.Lease.String()
	}
	if o.By != "" {
		words += ", by " + o.By
	}
	if o.Until.IsZero() {
		return words + ", without an end"
	}
	return words + ", for another " + o.Until.Sub(now).Round(time.Second).String()
}

// age is how long ago a time was, in a few letters.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(now.Sub(t), 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}
