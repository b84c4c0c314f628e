package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/record"
)

// call is one operation on the store.
type Call struct {
	all    *Shards
	ID     string
	shard  *Shard // nil where there is no backup
	ticket circuit.Ticket
	Budget time.Duration
}

// call asks for permission to ask the store. vouched tells whether the visitor
// can do without it.
func (a *Shards) Call(ctx context.Context, id string, vouched bool, budget time.Duration) (Call, error) {
	c := Call{all: a, ID: id, Budget: budget}
	if a.JournalBytes == 0 {
		return c, nil
	}
	c.shard = a.Of(id)
	c.shard.obey(ctx)
	c.ticket = c.shard.breaker.Allow(a.Clock.Now(), vouched)
	if c.ticket.Answer == circuit.No {
		return c, failure.ErrNotAsked
	}
	return c, nil
}

// answered notes that the store did what it was asked, or said why not: then w
// is NoWork.
func (c Call) Answered(ctx context.Context, w Work) {
	if c.shard == nil {
		c.all.answered(ctx, w, c.ID)
		return
	}
	if w == Putting || w == Swapping {
		c.shard.failures(w).Store(0)
	}
	c.shard.tell(ctx, nil)(c.shard.breaker.Report(c.ticket, c.all.Clock.Now(), c.Budget, circuit.Answered))
}

// failed notes that it did not. A visitor who left is no failure.
func (c Call) Failed(ctx context.Context, w Work, err error) {
	if c.shard == nil {
		c.all.away(ctx, w, c.ID, err)
		return
	}
	s := c.shard
	s.tell(ctx, err)(s.breaker.Report(c.ticket, c.all.Clock.Now(), c.Budget, circuit.Failed))
	if w != Loading && c.ticket.Answer != circuit.No {
		s.unable(ctx, w, err)
	}
}

// savesFailed is how many saves of a kind fail in a row until a shard is away.
const savesFailed = 5

// unable notes that a save failed, or a compare-and-set that had to succeed. A
// shard that loads may be unable to save, as a replica or a full one is, or to
// do one kind of save: it goes away then.
func (s *Shard) unable(ctx context.Context, w Work, err error) {
	if s.failures(w).Add(1) == savesFailed {
		s.tell(ctx, err)(s.breaker.Trip(s.all.Clock.Now(), circuit.SavesFailed))
	}
}

// Refused notes that the store answered a save with a conflict where nobody else
// can have written: under an ID that nobody knows yet, or over the version that
// stood there before and after. It returns an error that says so.
func (a *Shards) Refused(ctx context.Context, id string, over record.Version) error {
	err := fmt.Errorf("%w: the store refuses a save over what stands there", failure.ErrUnavailable)
	a.CountFailure(ctx, Save, id, err)
	if a.JournalBytes == 0 {
		a.away(ctx, SaveOf(over), id, err)
	} else {
		a.Of(id).unable(ctx, SaveOf(over), err)
	}
	return err
}
