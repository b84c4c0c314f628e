package spool

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// writer is what the writing goroutine works on.
type writer struct {
	file            file
	size            int64 // of the file
	torn            bool  // the file may end in the middle of a line
	rewriting       *rewrite
	rewriteFailedAt time.Time // when writing the file anew failed last
	wantsRewrite    atomic.Bool
}

const (
	chunk    = 256 << 10   // bytes that are written at once, about
	retry    = time.Second // after which what could not be written is tried again
	smallest = 64 << 10    // bytes from which on a file is written anew
)

// run is the goroutine that writes, until Close.
func (s *Spool) run() {
	defer close(s.ended)
	timer := time.NewTimer(retry)
	defer timer.Stop()
	for {
		for s.step() {
		}
		var again <-chan time.Time
		if s.behind() {
			timer.Reset(retry)
			again = timer.C
		}
		select {
		case <-s.wake:
		case <-again:
			s.tryBacklog()
		case <-s.stop:
			s.finish()
			return
		}
	}
}

// step does a part of what there is to do, and reports whether there may be more.
func (s *Spool) step() bool {
	s.works(true)
	defer s.works(false)
	b := s.take()
	if s.clears() {
		s.written(b)
		return false
	}
	if b != nil {
		s.write(b)
	}
	switch {
	case s.rewriting != nil:
		s.continueRewrite()
		return true
	case s.outdated():
		s.beginRewrite()
		return true
	}
	return b != nil
}

// works notes that the goroutine begins or ends a step.
func (s *Spool) works(begins bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = time.Time{}
	if begins {
		s.busy = time.Now()
	}
}

// take makes what has changed the batch that is being written, or returns nil where
// nothing has.
func (s *Spool) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next.empty() {
		return nil
	}
	s.inflight, s.next = s.next, newBatch()
	return s.inflight
}

// written lets the requests go on that wait for b, which may be nil.
func (s *Spool) written(b *batch) {
	s.mu.Lock()
	s.inflight = nil
	s.stats.Bytes = s.size
	s.mu.Unlock()
	if b != nil {
		close(b.done)
	}
	s.recovers()
}

// clears empties the file where nothing is owed any more, and reports whether it
// did. Entries that are added meanwhile are in the next batch.
func (s *Spool) clears() bool {
	needed := s.rewriting != nil || s.revocations > 0 || s.wantsRewrite.Load()
	if needed || s.source.OwesAny() {
		return false
	}
	s.mu.Lock()
	more := s.inflight != nil && len(s.inflight.revocations) > 0
	s.mu.Unlock()
	if more {
		return false
	}
	if s.size > 0 || s.torn {
		if err := s.file.Truncate(0); err != nil {
			return false
		}
	}
	s.size, s.live = 0, 0
	s.torn = false
	s.mu.Lock()
	clear(s.lines)
	clear(s.backlog)
	s.mu.Unlock()
	return true
}

// built is a number of lines that are written at once.
type built struct {
	text []byte
	ends []end
}

// end is where a line of a built ends, and what it is of.
type end struct {
	id    string // empty: a revocation
	at    int    // in the text
	lives bool   // it says that something is owed
}

func (b *built) add(id string, line []byte, lives bool) {
	b.text = append(b.text, line...)
	b.ends = append(b.ends, end{id: id, at: len(b.text), lives: lives})
}

// sessions returns how many of ids, of which the lines were made, come before the
// first without a line.
func (b *built) sessions(ids []string) int {
	if len(b.ends) == 0 {
		return 0
	}
	return 1 + slices.Index(ids, b.ends[len(b.ends)-1].id)
}

// length returns the length of the line with number i.
func (b *built) length(i int) int {
	if i == 0 {
		return b.ends[0].at
	}
	return b.ends[i].at - b.ends[i-1].at
}

// write writes a batch.
func (s *Spool) write(b *batch) {
	ids := slices.SortedFunc(maps.Keys(b.ids), func(x, y string) int { return cmp.Compare(b.ids[x], b.ids[y]) })
	failed, err := s.writeSessions(ids)
	if err == nil {
		err = s.writeRevocations(b.revocations)
	} else if len(b.revocations) > 0 {
		s.wantsRewrite.Store(true)
	}
	s.mu.Lock()
	for _, id := range ids {
		delete(s.backlog, id)
	}
	for _, id := range failed {
		s.backlog[id] = struct{}{}
	}
	s.mu.Unlock()
	if err != nil {
		s.failed(err)
	}
	s.written(b)
}

// failed counts a write that failed, and reports it.
func (s *Spool) failed(err error) {
	s.mu.Lock()
	s.stats.Failures++
	s.mu.Unlock()
	s.fails(err)
}

// writeSessions writes what is owed of sessions now. It stops at the first write that
// fails, and returns the sessions from there on.
func (s *Spool) writeSessions(ids []string) (failed []string, err error) {
	for len(ids) > 0 {
		lines, rest, err := s.build(ids, s.standsInFile)
		if err == nil {
			err = s.append(&lines)
		}
		if err != nil {
			return ids[lines.sessions(ids):], err
		}
		ids = rest
	}
	return nil, nil
}

// standsInFile reports whether the file says that something is owed of a session.
func (s *Spool) standsInFile(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.lines[id]
	return ok || s.rewriting != nil && s.rewriting.has(id)
}

// build makes the lines of the first sessions, and returns the others. A session of
// which nothing is owed has a line only where stands reports that another line has to
// be undone.
func (s *Spool) build(ids []string, stands func(id string) bool) (lines built, rest []string, err error) {
	for len(ids) > 0 && len(lines.text) < chunk {
		id := ids[0]
		owed, ok := s.source.Undelivered(id)
		ids = ids[1:]
		if !ok && !stands(id) {
			continue
		}
		line, err := s.line(entryOf(id, owed, ok))
		if err != nil {
			return built{}, ids, err
		}
		lines.add(id, line, ok)
	}
	return lines, ids, nil
}

// writeRevocations writes settled revocations.
func (s *Spool) writeRevocations(l []Revocation) error {
	for len(l) > 0 {
		lines, rest, err := s.buildRevocations(l)
		if err == nil {
			err = s.append(&lines)
		}
		if err != nil {
			s.wantsRewrite.Store(true)
			return err
		}
		l = rest
	}
	return nil
}

func (s *Spool) buildRevocations(l []Revocation) (lines built, rest []Revocation, err error) {
	for len(l) > 0 && len(lines.text) < chunk {
		line, err := s.line(Entry{ID: l[0].ID, Kind: Revoked, Revocation: l[0]})
		if err != nil {
			return built{}, l, err
		}
		lines.add("", line, true)
		l = l[1:]
	}
	return lines, l, nil
}

var errFull = errors.New("the file holds as much as it may")

// append writes lines behind what the file has, and to the file that is to take its
// place. Where it fails it leaves in lines those that are in the file.
func (s *Spool) append(lines *built) error {
	if len(lines.ends) == 0 {
		return nil
	}
	if s.size+int64(len(lines.text)) > s.options.Limit {
		s.rewriteNow()
	}
	if s.size+int64(len(lines.text)) > s.options.Limit {
		lines.ends = nil
		return errFull
	}
	s.rewriting.append(lines)
	n, err := s.writeText(lines.text)
	whole := 0
	for whole < len(lines.ends) && lines.ends[whole].at <= n {
		whole++
	}
	lines.ends = lines.ends[:whole]
	s.mu.Lock()
	s.account(lines)
	s.mu.Unlock()
	return err
}

// writeText writes text, and returns how much of it is in the file. Where it fails it
// leaves whole lines only.
func (s *Spool) writeText(text []byte) (n int, err error) {
	prefix := ""
	switch {
	case s.size == 0:
		prefix = header
	case s.torn:
		prefix = "\n"
	}
	whole := append([]byte(prefix), text...)
	n, err = s.file.Write(whole)
	if err == nil && s.options.Sync {
		if err = s.file.Sync(); err != nil {
			s.wantsRewrite.Store(true) // what the disk has is not known any more
			n = 0
		}
	}
	if err != nil {
		n = s.cut(whole[:n], len(prefix))
	} else {
		s.torn = false
	}
	s.size += int64(n)
	return max(0, n-len(prefix)), err
}

// cut removes from the end of the file what does not end with a line, and returns the
// length of what stays. written is all that was written behind what was there.
func (s *Spool) cut(written []byte, prefix int) int {
	keep := bytes.LastIndexByte(written, '\n') + 1
	if keep <= prefix {
		keep = 0
	}
	if err := s.file.Truncate(s.size + int64(keep)); err != nil {
		s.torn = true
		s.wantsRewrite.Store(true)
		return len(written)
	}
	return keep
}

// contents is what the lines of a file say.
type contents struct {
	lines       map[string]int // the length of the line that says what is owed of a session
	live        int64          // bytes of these lines
	revocations int64          // bytes of the lines of revocations
}

// account takes in lines that were written.
func (c *contents) account(lines *built) {
	for i, e := range lines.ends {
		n := lines.length(i)
		switch {
		case e.id == "":
			c.revocations += int64(n)
		case e.lives:
			c.live += int64(n - c.lines[e.id])
			c.lines[e.id] = n
		default:
			c.live -= int64(c.lines[e.id])
			delete(c.lines, e.id)
		}
	}
}

// behind reports whether something could not be written.
func (s *Spool) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.backlog) > 0 || s.wantsRewrite.Load()
}

// tryBacklog writes what could not be written.
func (s *Spool) tryBacklog() {
	s.works(true)
	defer s.works(false)
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.backlog))
	s.mu.Unlock()
	failed, err := s.writeSessions(ids)
	s.mu.Lock()
	for _, id := range ids[:len(ids)-len(failed)] {
		delete(s.backlog, id)
	}
	s.stats.Bytes = s.size
	s.mu.Unlock()
	if err != nil {
		s.failed(err)
	}
	s.recovers()
}

// finish writes what is left, and gives the file up.
func (s *Spool) finish() {
	s.abandonRewrite()
	if b := s.take(); b != nil {
		s.write(b)
	}
	s.tryBacklog()
	if !s.source.OwesAny() {
		if err := os.Remove(s.path); err != nil {
			s.fails(fmt.Errorf("the file is not needed any more: %w", err))
		}
	} else if err := s.file.Sync(); err != nil {
		s.fails(err)
	}
	_ = s.file.Close()
}
