// Package spool keeps in a file the entries that a process still owes its store, so
// that they outlive the process: those that package journal has not delivered, and
// the revocations that are settled.
//
// A file belongs to one process, which holds its lock. Each line is sealed and
// states what is owed of one session now; it takes the place of every earlier line
// of that session. A process that finds a file whose lock is free enters its lines
// into the own journal, and removes the file once its own file has all of them.
//
// Where to look: [Spool] collects what has changed, and lets requests wait until it
// is written (spool.go); one goroutine writes (writer.go), and writes the file anew
// when most of it is out of date (rewrite.go); takeover.go reads the files that other
// processes have left; entry.go is the content of a line, and directory.go makes,
// locks and finds files.
//
// The package does I/O on files and knows neither stores nor HTTP.
package spool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/seal"
)

// Purpose is what the lines of a file are sealed for, see seal.Box.
const Purpose = "session journal"

// Options are the options of Open.
type Options struct {
	Dir      string     // must exist
	Sync     bool       // each write goes through to the disk before a request goes on
	Keys     *seal.Keys // seal the lines
	Audience string     // of the lines, see seal.Box
	Limit    int64      // bytes of the file

	// Told is called when something fails, at most once a minute for each Fault. Its
	// error is nil for Recovered. It may be nil.
	Told func(fault Fault, err error)
}

// Fault is a kind of failure of a file.
type Fault uint8

// The faults.
const (
	Failing    Fault = iota + 1 // the own file cannot be written, or takes longer than a request waits
	Recovered                   // no fault: the file has everything again
	Damaged                     // a line of a file that was taken over is not what was written there
	Unreadable                  // this program cannot read a file, or a line of one, for example because it lacks the key: the file stays

	faults
)

func (f Fault) String() string {
	names := [...]string{"no fault", "failing", "recovered", "damaged", "unreadable"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown fault"
}

// Source is the journal that a Spool writes down. The Spool calls it without holding
// any lock of its own.
type Source interface {
	Undelivered(id string) (journal.Undelivered, bool)
	UndeliveredIDs() []string
	OwesAny() bool
}

// maxWait is how long a request waits for its entry to be written.
const maxWait = 50 * time.Millisecond

var errSlow = fmt.Errorf("a write takes longer than %v", maxWait)

// Spool keeps one file. Any number of goroutines may use it.
type Spool struct {
	// Revocations yields the settled revocations that the file shall hold, for when it
	// is written anew. It may be nil. It is set before Start.
	Revocations iter.Seq[Revocation]

	options Options
	box     seal.Box
	wait    time.Duration // maxWait
	source  Source
	path    string // of the own file
	wake    chan struct{}
	stop    chan struct{}
	ended   chan struct{} // closed when the writing goroutine has ended

	taking sync.Mutex // guards held, and lets one takeover run at a time
	held   []*left    // files that were entered, and that the own file does not have all of yet

	writer // of the one goroutine

	mu       sync.Mutex // guards all below
	contents            // of the own file; the one goroutine alone changes it
	closed   bool
	next     *batch              // what changed since the last write began
	inflight *batch              // what is being written; nil: nothing
	busy     time.Time           // since when the goroutine does one step; zero: it does nothing
	anew     bool                // the file is being written anew
	backlog  map[string]struct{} // sessions that could not be written
	stats    Stats
	failing  bool
	toldAt   [faults]time.Time
}

// batch is what is written together.
type batch struct {
	ids         map[string]uint64 // in the order of their numbers
	number      uint64
	revocations []Revocation
	done        chan struct{} // closed when it was written, or could not be
}

func newBatch() *batch { return &batch{ids: make(map[string]uint64), done: make(chan struct{})} }

func (b *batch) empty() bool { return len(b.ids) == 0 && len(b.revocations) == 0 }

// maxRevocations bounds the revocations that wait for a disk.
const maxRevocations = 1 << 16

// Stats are the figures of a Spool.
type Stats struct {
	Bytes     int64  // of the file
	Unwritten int    // sessions of which the file lacks what is owed now
	Failures  uint64 // ever: writes that failed
	Late      uint64 // ever: requests that went on before their entry was written
	Damaged   uint64 // ever: lines of files taken over that were not what was written there
}

// Open makes the file of this process in a directory. It fails where the directory
// is not there, cannot be written, or has no locks. The file is empty until Start.
// Without a directory Open returns nil.
func Open(o Options) (*Spool, error) {
	if o.Dir == "" {
		return nil, nil
	}
	f, path, err := create(o.Dir)
	if err == nil && o.Sync {
		err = syncDir(o.Dir)
	}
	if err != nil {
		return nil, mistake(err)
	}
	return &Spool{
		options: o, path: path, wait: maxWait,
		box:  seal.Box{Keys: o.Keys, Purpose: Purpose, Audience: o.Audience, Limit: 1 << 30},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
		writer: writer{file: f}, next: newBatch(),
		backlog: make(map[string]struct{}), contents: contents{lines: make(map[string]int)},
	}, nil
}

// Start begins to write what source owes. It is called once.
func (s *Spool) Start(source Source) {
	s.source = source
	go s.run()
}

// Changed notes that what the source owes of a session has changed, and whether it
// owes anything of it now. It does no I/O and takes constant time.
func (s *Spool) Changed(id string, lacks bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if !lacks && !s.mayHoldLocked(id) {
		delete(s.next.ids, id) // the file has no line of it
		delete(s.backlog, id)
		return
	}
	s.next.number++
	s.next.ids[id] = s.next.number
	s.signal()
}

// mayHoldLocked reports whether the file may say that something is owed of a session.
func (s *Spool) mayHoldLocked(id string) bool {
	if _, ok := s.lines[id]; ok {
		return true
	}
	if s.inflight == nil {
		return s.anew
	}
	_, ok := s.inflight.ids[id]
	return ok || s.anew
}

// Revoke adds a settled revocation to the file, without waiting for the write. Where the disk
// is so slow that too many wait already, the file gets it when it is written anew.
func (s *Spool) Revoke(r Revocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.next.revocations) == maxRevocations {
		s.wantsRewrite.Store(true)
		return
	}
	s.next.revocations = append(s.next.revocations, r)
	s.signal()
}

// signal wakes the writing goroutine.
func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Wait returns when the file has what changed of a session before, or after 50 ms.
// It returns at once where the write before has failed, or has already taken longer
// than that: a disk that does not answer costs a request one wait at most.
func (s *Spool) Wait(id string) {
	s.mu.Lock()
	done := s.pendingLocked(id)
	stuck := !s.busy.IsZero() && time.Since(s.busy) > s.wait
	s.mu.Unlock()
	if done == nil {
		return
	}
	if !stuck {
		timer := time.NewTimer(s.wait)
		defer timer.Stop()
		select {
		case <-done:
			return
		case <-timer.C:
		}
	}
	s.mu.Lock()
	s.stats.Late++
	s.mu.Unlock()
	s.fails(errSlow)
}

// pendingLocked returns the channel that is closed when a session is written, or nil
// where no write of it is pending.
func (s *Spool) pendingLocked(id string) chan struct{} {
	if s.closed {
		return nil
	}
	for _, b := range [...]*batch{s.next, s.inflight} {
		if b == nil {
			continue
		}
		if _, ok := b.ids[id]; ok {
			return b.done
		}
	}
	return nil
}

// flush waits until everything that has changed so far was written, and reports
// whether it is in the file.
func (s *Spool) flush(ctx context.Context) bool {
	s.mu.Lock()
	last := s.inflight
	if !s.next.empty() {
		last = s.next
	}
	s.mu.Unlock()
	if last != nil {
		select {
		case <-last.done:
		case <-ctx.Done():
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.backlog) == 0
}

// fails notes and reports that the file lacks an entry.
func (s *Spool) fails(err error) {
	s.mu.Lock()
	s.failing = true
	s.mu.Unlock()
	s.tell(Failing, err)
}

// tell calls Told, at most once a minute for each fault.
func (s *Spool) tell(fault Fault, err error) {
	s.mu.Lock()
	now := time.Now()
	soon := now.Sub(s.toldAt[fault]) < time.Minute
	if !soon {
		s.toldAt[fault] = now
	}
	s.mu.Unlock()
	if !soon && s.options.Told != nil {
		s.options.Told(fault, err)
	}
}

// recovers reports that the file has everything again, if a failure was reported
// before.
func (s *Spool) recovers() {
	s.mu.Lock()
	back := s.failing && len(s.backlog) == 0
	s.failing = s.failing && !back
	s.mu.Unlock()
	if back {
		s.tell(Recovered, nil)
	}
}

// Stats returns the figures as they are now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Unwritten = len(s.backlog) + len(s.next.ids)
	if s.inflight != nil {
		st.Unwritten += len(s.inflight.ids)
	}
	return st
}

// Close writes the rest and gives the file up: it removes the file where the store
// lacks nothing, else another process may take it over. Later changes are not
// written. It fails where ctx ends first, or the rest could not be written.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	close(s.stop)
	select {
	case <-s.ended:
	case <-ctx.Done():
		return fmt.Errorf("the file is not written: %w", ctx.Err())
	}
	s.closeHeld()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backlog) > 0 && s.source.OwesAny() {
		return errUnwritten
	}
	return nil
}

var errUnwritten = errors.New("the file lacks some of what is owed")
