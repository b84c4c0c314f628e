package commit

import (
	"context"
	"errors"
	"time"

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
	done := false
	end := func() {
		done = true
		d, ended, err = w.Shards.End(ctx, t, over)
	}
	waiting := w.turns.After(ctx, time.Now(), 2*w.Storage.SaveTimeout)
	_, turn := w.group.Do(waiting, t.ID, groupcommit.Member[base]{Alone: true, Lead: func(crew *groupcommit.Crew[base]) (base, error) {
		if last, ok := crew.Last(); ok && over != record.Any {
			over = record.Any // another commit came first
			if last.Phase == lookup.Live && !last.Away() {
				over = last.Version
			}
		}
		end()
		if err != nil || t.EndedNothing() {
			return base{}, errNotEnded
		}
		return base{Loaded: lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: t.Death}}}}, nil
	}})
	if turn != nil && !done {
		end()
	}
	return d, ended, err
}

// errNotEnded is the result for the commits that wait: they ask the store.
var errNotEnded = errors.New("session: not ended")
