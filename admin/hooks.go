package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session"
)

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// outage returns a hook that tells of an outage.
func (v *Events) outage(kind string, next func(context.Context, session.Outage)) func(context.Context, session.Outage) {
	return func(ctx context.Context, o session.Outage) {
		v.add(Event{Kind: kind, Shard: o.Shard, Detail: fmt.Sprintf("after %v; %d delivered, %d lost, %d waiting",
			o.Duration.Round(100*time.Millisecond), o.Delivered, o.Lost, o.States+o.Tombstones)})
		if next != nil {
			next(ctx, o)
		}
	}
}

// losses sets the hooks of what is lost.
func (v *Events) losses(h *session.Hooks, next session.Hooks) {
	h.Evicted = func(ctx context.Context, shard string, records uint64) {
		v.add(Event{Kind: "evicted", Shard: shard, Detail: fmt.Sprintf("%d records", records)})
		if next.Evicted != nil {
			next.Evicted(ctx, shard, records)
		}
	}
	h.Early = func(ctx context.Context, tombstones int) {
		v.add(Event{Kind: "early", Detail: fmt.Sprintf("%d tombstones", tombstones)})
		if next.Early != nil {
			next.Early(ctx, tombstones)
		}
	}
	h.Overflow = func(ctx context.Context, id session.ID) {
		v.add(Event{Kind: "overflow", Session: id})
		if next.Overflow != nil {
			next.Overflow(ctx, id)
		}
	}
	h.Dropped = func(ctx context.Context, id session.ID, err error) {
		v.add(Event{Kind: "dropped", Session: id, Detail: text(err)})
		if next.Dropped != nil {
			next.Dropped(ctx, id, err)
		}
	}
}

// faults sets the hooks of what does not work.
func (v *Events) faults(h *session.Hooks, next session.Hooks) {
	h.Backup = func(ctx context.Context, id session.ID, fault session.BackupFault, err error) {
		v.add(Event{Kind: "backup", Session: id, Detail: fault.String()})
		if next.Backup != nil {
			next.Backup(ctx, id, fault, err)
		}
	}
	h.JournalFile = func(ctx context.Context, fault session.FileFault, err error) {
		v.add(Event{Kind: "journalfile", Detail: fault.String()})
		if next.JournalFile != nil {
			next.JournalFile(ctx, fault, err)
		}
	}
	h.Failed = func(ctx context.Context, operation session.Operation, id session.ID, err error) {
		v.add(Event{Kind: "failed", Session: id, Detail: operation.String() + ": " + text(err)})
		if next.Failed != nil {
			next.Failed(ctx, operation, id, err)
		}
	}
	h.BadValue = func(ctx context.Context, id session.ID, err *session.ValueError) {
		v.add(Event{Kind: "badvalue", Session: id, Detail: "the key " + err.Key})
		if next.BadValue != nil {
			next.BadValue(ctx, id, err)
		}
	}
	h.PlainHTTP = func(ctx context.Context, host string) {
		v.add(Event{Kind: "plainhttp", Detail: host})
		if next.PlainHTTP != nil {
			next.PlainHTTP(ctx, host)
		}
	}
}
