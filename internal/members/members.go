// Package members keeps one revocation set over all instances that use a store, with the
// store as the medium. Each instance writes what it adds to its own log, records in the
// shard concerned; a members record in each shard names the instances and how far each
// log goes. The members record carries a random value as well: a shard in which it is
// missing or another one has lost its memory, and then all instances write their logs
// again.
//
// A tombstone that is in the store alone can be evicted, rolled back or flushed. A
// tombstone that is in a log is known to every connected instance within two intervals,
// whatever the store loses afterwards.
//
// Where to look: a [Shard] is one shard of the store and this process (members.go). An
// exchange reads what others have added and says what this process has (exchange.go);
// loss.go finds out whether the shard has lost its memory; news.go reads the logs of
// others; append.go and own.go write the log of this process; rescue.go writes what is
// in no other log any more, and decides which rows leave the members record.
package members

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
	"github.com/holdfast-go/session/internal/revoked"
)

// Version tells one write of a record from every other. The zero Version is that of
// no record.
type Version = [16]byte

// Store is what a Shard needs of a store. Its methods are called concurrently.
type Store interface {
	// Load returns a record past all caches, and its Version, which is zero if there is
	// none.
	Load(ctx context.Context, id string) (data []byte, v Version, err error)

	// Save puts a record over a Version. conflict reports whether the store has
	// another one; err is ignored then.
	Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (v Version, conflict bool, err error)
}

// Set is the part of the process's revocation set that concerns the shard. Its methods
// are called concurrently, and by one Shard one at a time.
type Set interface {
	// Heard takes in tombstones from a log. Their From is the log's number.
	Heard(all []revoked.Tombstone)

	// All yields the tombstones of the shard, the youngest first.
	All() iter.Seq[revoked.Tombstone]

	// SetOwn notes that tombstones go into the log of this process: their From becomes
	// revoked.Own.
	SetOwn(all []revoked.Tombstone)

	// Forget makes the tombstones from a log revoked.Unnumbered or revoked.Expired.
	Forget(from, to uint8)
}

// Config is what a Shard is made of.
type Config struct {
	Store Store
	Set   Set

	// ID returns the ID of a record of the library's own in this shard: the first
	// recordid.Numbered of base that the store's layout puts there, or the one with 0
	// if the store addresses the shard. It fails if the shard holds no records any more.
	ID func(base string) (string, error)

	Numbers  *Numbers         // one for all shards of the process whose tombstones are in one Set
	Instance uint32           // the instance number of this process
	Layout   func() uint64    // hash of the store's layout as this process sees it; nil: there is only one
	Now      func() time.Time // by this process's clock
	Budget   time.Duration    // the time for an exchange, and for what is appended at once
	Life     time.Duration    // how long a tombstone is needed
	UserLife time.Duration    // how long the revocation of a user is needed, from its dot on
}

// Shard is one shard of the store, as a member of it. Any number of goroutines may use it.
// It runs goroutines only for calls, which may return before them; Close waits for them.
// Make one with New.
type Shard struct {
	Config
	wg      sync.WaitGroup  // goroutines under way
	closing chan struct{}   // closed by Close
	life    context.Context // ends when Close does not wait any longer
	end     context.CancelFunc
	budgets deadline.Patient

	// A token: the call that holds it writes the process's own log.
	writing chan struct{}
	own     log // only the call that holds the token uses it

	view    view       // only the exchange under way uses it
	hearing sync.Mutex // held for calls of Set.Heard

	mu        sync.Mutex // guards all below
	closed    bool
	running   *flight // the exchange under way
	next      *flight // the one after it
	untold    Result  // a loss that was not reported to any caller of Exchange yet
	restarted bool    // see Restarted
	unheld    bool    // see Adopt

	queue      []*appending // calls of Append that are not being saved yet
	flushing   bool
	announcing bool
	asked      time.Time // when an exchange began last

	reach     reach           // how far this process's log goes
	named     revoked.LogName // this process's log as the members record names it
	announced uint32          // its Next there
	size      int             // live members, this one included
	complete  bool            // the last exchange left nothing unread
	completed time.Time       // when the last exchange that left nothing unread began
	told      time.Time       // when the last exchange began after which the record named all of that log
	lostAt    time.Time       // when the last loss was found
	gone      []uint8         // numbers of logs whose owners are gone
}

// view is what exchanges remember.
type view struct {
	seen    *revoked.Members // the members record as last read or written; nil: none
	wrote   revoked.Row      // this process's row as last written
	renewed time.Time        // when this process last wrote the record

	mine          map[revoked.LogName]bool // all names that this process's log has had
	restore       *revoked.Members         // what a shard that went back in time has to get again
	value         [16]byte                 // the new Value of restore
	nothingBefore uint32                   // the least NothingBefore that the record must have; 0: any
	all           reading                  // the latest minute by the clocks of all members
	others        reading                  // likewise, without this process's
	rewrite       bool                     // this process's log has to be written anew

	readers   map[revoked.LogName]*reader
	rescues   map[revoked.LogName]*rescue
	adoptAt   time.Time                // when to write tombstones that no log may have; zero: never
	orphansAt time.Time                // when to write those that no live log has; zero: never
	lost      map[revoked.LogName]bool // the logs from before the last loss
	obsolete  map[revoked.LogName]bool // the lost logs whose missing tombstones this process has written again

	metOther time.Time // when another member was last there
}

// New returns a Shard that has not asked the store yet.
func New(c Config) *Shard {
	s := &Shard{Config: c, writing: make(chan struct{}, 1), closing: make(chan struct{}), size: 1, unheld: true}
	s.life, s.end = context.WithCancel(context.Background())
	s.own = newLog()
	s.reach = s.own.reach()
	s.view.mine = map[revoked.LogName]bool{s.own.name: true}
	s.view.readers = make(map[revoked.LogName]*reader)
	s.view.rescues = make(map[revoked.LogName]*rescue)
	return s
}

// ErrClosed is the error of calls after Close.
var ErrClosed = errors.New("session: the shard's membership is closed")

const (
	// second is the interval of up to a hundred members. More take turns, so that the
	// store has a hundred exchanges a second at most.
	second   = time.Second
	eachTurn = second / 100

	// aliveFor is how many minutes a member counts as alive without renewing its row.
	aliveFor = 3

	// waits is how many intervals a missing segment is waited for.
	waits = 10

	// recovery is how many intervals after a loss was found every member has read all logs
	// again: another member finds the loss up to an interval later, has written what no
	// other log holds after three more at most, and an interval later that was read.
	recovery = 5
)

// Interval returns the time between two exchanges.
func (s *Shard) Interval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intervalLocked()
}

func (s *Shard) intervalLocked() time.Duration { return max(second, time.Duration(s.size)*eachTurn) }

// Size returns how many live members the record of members names, this one included.
func (s *Shard) Size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Complete reports whether this process has read everything in all logs: the last exchange that
// left nothing unread began less than two intervals ago. An exchange waits for a segment that
// the store lacks, for ten intervals at most. For five intervals after a loss Complete is
// false, because other members may not have written their logs again.
func (s *Shard) Complete(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.intervalLocked()
	recovers := !s.lostAt.IsZero() && now.Sub(s.lostAt) < recovery*i
	return s.complete && !recovers && now.Sub(s.completed) < 2*i
}

// Heard returns when the last exchange began that left nothing unread of what other members
// had added; zero: none has.
func (s *Shard) Heard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.completed
}

// Told returns when the last exchange began after which the store had all of this process's log,
// and the members record said so; zero: none. Other members read it in their next exchange.
func (s *Shard) Told() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// Gone returns the numbers of the logs whose owners were gone when the last exchange ended.
func (s *Shard) Gone() []uint8 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Restarted notes that the shard may have lost its memory although it has the members
// record: its server was restarted, or replaced. The next exchange is one after a loss.
func (s *Shard) Restarted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarted = true
}

// Adopt notes that the Set has tombstones that are revoked.Unnumbered, and so may be in no log:
// for instance, they came from the store or from a file. An exchange within about twelve
// intervals writes those into this process's log that were not read in another log by then.
func (s *Shard) Adopt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheld = true
}

// Close waits for the calls under way, says how far this process's log goes, and takes a
// row without tombstones out of the members record. Later calls fail with ErrClosed.
func (s *Shard) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.end)
	s.wg.Wait()
	if !stop() {
		return ctx.Err()
	}
	defer s.end()
	if s.view.seen == nil {
		return nil // no row of this process is there
	}
	var r Result
	m, v, err := s.look(ctx, &r)
	if err != nil {
		return err
	}
	errLog := s.keepUp(ctx, m)
	_, err = s.write(ctx, m, v, &r)
	return errors.Join(errLog, err)
}

// Drop is Close for a shard that the store has no more. The numbers of its logs are free
// afterwards, whatever the error.
func (s *Shard) Drop(ctx context.Context) error {
	err := s.Close(ctx)
	for name, rd := range s.view.readers {
		s.dropReader(name, rd)
	}
	return err
}

// within returns ctx, which has no deadline of its own, with an end: when the budget is spent,
// or when Close stops waiting.
func (s *Shard) within(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithCancel(s.budgets.After(ctx, s.Budget))
	stop := context.AfterFunc(s.life, cancel)
	return limited, func() { stop(); cancel() }
}

// minute returns the minute of a time, since 1970.
func minute(t time.Time) uint32 { return uint32(max(0, t.Unix()/60)) }

// lifeMinutes returns how many minutes a tombstone lives, rounded up.
func (s *Shard) lifeMinutes() uint32 { return uint32((s.Life + time.Minute - 1) / time.Minute) }

// Numbers gives numbers to logs. The zero Numbers is ready; any number of goroutines may
// use it.
type Numbers struct {
	mu   sync.Mutex
	used [256]bool
}

// take returns a free number, or revoked.Unnumbered if there is none.
func (n *Numbers) take() uint8 {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := revoked.Own + 1; i < revoked.Expired; i++ {
		if !n.used[i] {
			n.used[i] = true
			return uint8(i)
		}
	}
	return revoked.Unnumbered
}

// free gives a number back.
func (n *Numbers) free(number uint8) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used[number] = false
}
