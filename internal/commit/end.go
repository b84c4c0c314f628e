package commit

import (
	"context"
	"errors"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/groupcommit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// End ends the session of t, and those that rotations have made of it since, as
// failover.Shards.End does. It takes a turn of its own among the session's commits
// in this process: a save under way comes first, and later commits find the session
// dead. If its turn has not come after the time of two saves, End goes ahead without
// one.
func (w *Writer) End(ctx context.Context, t *journal.Tombstone, over record.Version) (d failover.Durability, ended []state.Superseded, err error) {
	e := ending{writer: w, tombstone: *t, over: over}
	_, turn := w.group.Do(ctx, t.ID, 2*w.Storage.SaveTimeout, &e)
	if turn != nil && !e.done {
		e.end(ctx)
	}
	*t = e.tombstone
	return e.durability, e.ended, e.err
}

// ending is an End, as a member of a crew of its own.
type ending struct {
	writer    *Writer
	tombstone journal.Tombstone
	over      record.Version

	done       bool
	durability failover.Durability
	ended      []state.Superseded
	err        error
}

func (e *ending) end(ctx context.Context) {
	e.done = true
	e.durability, e.ended, e.err = e.writer.Shards.End(ctx, &e.tombstone, e.over)
}

// Alone reports that no commit is saved together with an end.
func (e *ending) Alone() bool { return true }

// Brings returns nothing.
func (e *ending) Brings() base { return base{} }

// Apply changes nothing.
func (e *ending) Apply(b base) (base, error) { return b, nil }

// Lead ends the session, over what the commit before it has saved.
func (e *ending) Lead(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	if last, ok := crew.Last(); ok && e.over != record.Any {
		e.over = record.Any // another commit came first
		if last.Phase == lookup.Live && !last.Away() {
			e.over = last.Version
		}
	}
	e.end(ctx)
	if e.err != nil || e.tombstone.EndedNothing() {
		return base{}, errNotEnded
	}
	return base{Loaded: lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: e.tombstone.Death}}}}, nil
}

// errNotEnded is the result for the commits that wait behind an end that failed: they
// ask the store.
var errNotEnded = errors.New("session: not ended")
