package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/revoked"
)

// ownLog is the log of this process in one shard, and what it lacks.
type ownLog struct {
	members *members.Shard
	silent  bool          // it is told nothing, for the simulation
	noUsers bool          // nor is it told of revocations of users
	saves   time.Duration // what one save may take

	turn chan struct{} // holds a token while a call of tellRest appends

	mu      sync.Mutex // guards all below
	told    time.Time  // see toldAll
	untold  []revoked.Tombstone
	gone    bool         // the store has no such shard any more, so the log gets nothing
	telling bool         // a goroutine is writing untold into the log
	refused bool         // the last write of the log failed
	others  *otherShards // tombstones of other shards that the log lacks; nil: none
}

// errUntold says that the log does not have a tombstone yet.
var errUntold = errors.New("session: the revocation log lacks a tombstone")

func (l *ownLog) silentOf(x revoked.Tombstone) bool {
	return l.silent || l.noUsers && x.Class == revoked.Users
}

// tell puts a tombstone into the log of this process. It returns once it is stored there.
func (l *ownLog) tell(ctx context.Context, g journal.Tombstone) error {
	if l.silentOf(journal.Compact(g)) {
		return nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*l.saves) // the first one makes the members record name the log
	defer cancel()
	if err := l.members.Append(limited, journal.Compact(g)); err != nil {
		return fmt.Errorf("%w: %w", errUntold, err)
	}
	return nil
}

// tellLater has a tombstone put into the log by tellRest. It reports false if there is no
// such log any more.
func (l *ownLog) tellLater(x revoked.Tombstone) bool {
	if l.silentOf(x) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.untold = append(l.untold, x)
	}
	return !l.gone
}

// tellRest puts what tellLater was called with into the log.
func (l *ownLog) tellRest(ctx context.Context) error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.mu.Lock()
	all := l.untold[:len(l.untold):len(l.untold)]
	l.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	err := l.members.Append(ctx, all...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused = err != nil; !l.refused {
		l.untold = l.untold[len(all):]
	}
	return err
}

// tellSoon reports whether the caller must call tellNow: the log lacks something, no other
// goroutine is writing it, and the last write did not fail. Otherwise the delivery loop
// writes it.
func (l *ownLog) tellSoon() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	soon := len(l.untold) > 0 && !l.telling && !l.refused
	l.telling = l.telling || soon
	return soon
}

// tellNow calls tellRest until the log lacks nothing. It fails if the log does not take
// something.
func (l *ownLog) tellNow(ctx context.Context) (err error) {
	for lacks := true; lacks; {
		limited, cancel := context.WithTimeout(ctx, 3*l.saves)
		err = l.tellRest(limited)
		cancel()
		l.mu.Lock()
		lacks = err == nil && len(l.untold) > 0
		l.telling = lacks
		l.mu.Unlock()
	}
	return err
}

// owes reports whether tellRest has something to do.
func (l *ownLog) owes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owesLocked()
}

func (l *ownLog) owesLocked() bool { return len(l.untold) > 0 || l.others != nil }

// noteTold notes since when the shard's log has had all of this process's tombstones, if none
// is waiting to be written.
func (l *ownLog) noteTold() {
	told := l.members.Told()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.owesLocked() {
		l.told = told
	}
}

// toldAll returns when the last exchange began after which the shard's log had all of this
// process's tombstones; zero: there was none.
func (l *ownLog) toldAll() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told
}

// beginWalk begins a walk, which replaces the one under way.
func (l *ownLog) beginWalk(w *otherShards) {
	if l.silent {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others = w
}

// walk returns the walk under way; nil: there is none.
func (l *ownLog) walk() *otherShards {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.others
}

// endWalk ends a walk, unless another one has replaced it.
func (l *ownLog) endWalk(w *otherShards) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.others == w {
		l.others = nil
	}
}

// leave returns what the log lacks, of a shard that the store has no more. The caller gives
// it to other shards.
func (l *ownLog) leave() (untold []revoked.Tombstone) {
	l.turn <- struct{}{} // a call that appends knows first what the log did not take
	defer func() { <-l.turn }()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	untold = l.untold
	l.untold = nil
	return untold
}
