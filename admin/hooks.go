package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/chain"
)

// Hooks returns hooks that record an event, and then call the hook of next. Conflict
// and StillDown record none.
func (v *Events) Hooks(next session.Hooks) session.Hooks {
	return chain.Hooks(session.Hooks{
		Down: func(_ context.Context, shard string, err error) {
			v.add(Event{Kind: "down", Shard: shard, Detail: text(err)})
		},
		Up:      v.outage("up"),
		Settled: v.outage("settled"),
		Forgot: func(_ context.Context, shard string) {
			v.add(Event{Kind: "forgot", Shard: shard, Detail: "the shard has lost its data"})
		},
		Evicted: func(_ context.Context, shard string, records uint64) {
			v.add(Event{Kind: "evicted", Shard: shard, Detail: fmt.Sprintf("%d records", records)})
		},
		Early: func(_ context.Context, tombstones int) {
			v.add(Event{Kind: "early", Detail: fmt.Sprintf("%d tombstones", tombstones)})
		},
		Backup: func(_ context.Context, id session.ID, fault session.BackupFault, _ error) {
			v.add(Event{Kind: "backup", Session: id, Detail: fault.String()})
		},
		Overflow: func(_ context.Context, id session.ID) {
			v.add(Event{Kind: "overflow", Session: id})
		},
		JournalFile: func(_ context.Context, fault session.FileFault, _ error) {
			v.add(Event{Kind: "journalfile", Detail: fault.String()})
		},
		Failed: func(_ context.Context, operation session.Operation, id session.ID, err error) {
			v.add(Event{Kind: "failed", Session: id, Detail: operation.String() + ": " + text(err)})
		},
		BadValue: func(_ context.Context, id session.ID, err *session.ValueError) {
			v.add(Event{Kind: "badvalue", Session: id, Detail: "the key " + err.Key})
		},
		PlainHTTP: func(_ context.Context, host string) {
			v.add(Event{Kind: "plainhttp", Detail: host})
		},
		InsecureOverTLS: func(_ context.Context, host string) {
			v.add(Event{Kind: "insecureovertls", Detail: host})
		},
		Login:   v.taken("login"),
		Renewed: v.taken("renewed"),
		Rotated: v.taken("rotated"),
		Began:   v.taken("began"),
		Refused: func(_ context.Context, id session.ID, user string) {
			v.add(Event{Kind: "refused", Session: id, User: user, Detail: "the user has too many sessions"})
		},
		Ended: func(_ context.Context, e session.Ending) {
			v.add(Event{Kind: "ended", Session: e.ID, User: e.User, Detail: "by " + e.By.String()})
		},
		Revoked: func(_ context.Context, user string, d session.Durability) {
			v.add(Event{Kind: "revoked", User: user, Detail: d.String()})
		},
		Dropped: func(_ context.Context, id session.ID, err error) {
			v.add(Event{Kind: "dropped", Session: id, Detail: text(err)})
		},
	}, next)
}

// outage returns a hook that keeps an event of an outage.
func (v *Events) outage(kind string) func(context.Context, session.Outage) {
	return func(_ context.Context, o session.Outage) {
		v.add(Event{Kind: kind, Shard: o.Shard, Detail: fmt.Sprintf("after %v; %d delivered, %d lost, %d waiting",
			o.Duration.Round(100*time.Millisecond), o.Delivered, o.Lost, o.States+o.Tombstones)})
	}
}

// taken returns a hook that keeps an event of a session under a new ID.
func (v *Events) taken(kind string) func(ctx context.Context, id, previous session.ID, user string) {
	return func(_ context.Context, id, _ session.ID, user string) {
		v.add(Event{Kind: kind, Session: id, User: user})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
