package commit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/groupcommit"
	"github.com/holdfast-go/session/internal/state"
)

// takesOver is a member of a crew.
type takesOver struct {
	apply func(base) (base, error)
	lead  func(*groupcommit.Crew[base]) (base, error)
}

func (takesOver) Alone() bool                                                       { return false }
func (takesOver) Brings() base                                                      { return base{} }
func (m takesOver) Apply(b base) (base, error)                                      { return m.apply(b) }
func (m takesOver) Lead(_ context.Context, c *groupcommit.Crew[base]) (base, error) { return m.lead(c) }

// A leader whose change may not do without the store leaves. The next one asks the store
// again: it may answer by then.
func TestALeaderThatTakesOverAsksTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group groupcommit.Group[base]
		do := func(m takesOver) {
			go func() { _, _ = group.Do(context.Background(), "a", time.Minute, m) }()
			synctest.Wait()
		}
		saved := make(chan struct{})
		do(takesOver{lead: func(*groupcommit.Crew[base]) (base, error) {
			<-saved
			return base{}, nil
		}})
		do(takesOver{
			apply: func(b base) (base, error) { return b, errors.New("may not do without the store") },
			lead: func(crew *groupcommit.Crew[base]) (base, error) {
				b := base{later: true, pending: true}
				b.State.Created = 7
				return crew.Apply(b)
			},
		})
		var got base
		do(takesOver{lead: func(crew *groupcommit.Crew[base]) (base, error) {
			var err error
			got, err = new(Commit).start(context.Background(), crew)
			return got, err
		}})
		close(saved)
		synctest.Wait()
		if got.later || got.State.Created != 7 || got.sent != (state.Dot{}) {
			t.Errorf("the next leader begins with %+v", got)
		}
	})
}
