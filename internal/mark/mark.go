// Package mark notices that a database was set back to an older state.
//
// A process writes a random mark into the database each second, over the one before,
// and the next probe looks for it. A database that was restored from a backup has an
// older mark, or none, and so has a replica that took over without the last writes.
package mark

import (
	"bytes"
	"context"
	"crypto/rand"
	"sync"
)

// Marks are the marks of one process in one database. Any number of goroutines may
// use them.
type Marks struct {
	probing  chan struct{} // holds one value while a probe runs
	instance [16]byte

	mu        sync.Mutex // guards all below
	confirmed []byte     // stands in the database; nil: none yet
	pending   []byte     // stands there or not; nil: none
	isWriting bool
	lost      int // times that data may have been lost
}

// New returns marks of a process that has written none.
func New() *Marks {
	return &Marks{probing: make(chan struct{}, 1), instance: random()}
}

func random() (b [16]byte) {
	rand.Read(b[:])
	return b
}

// Instance names the process in the database.
func (m *Marks) Instance() []byte { return m.instance[:] }

// Begin waits for the probe that runs, until ctx ends, and lets the next one begin at
// End: only one that has ended writes a new mark.
func (m *Marks) Begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case m.probing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// End ends a probe.
func (m *Marks) End() { <-m.probing }

// Lose notes that data may have been lost, as the caller has noticed by itself.
func (m *Marks) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loseLocked()
}

func (m *Marks) loseLocked() {
	m.lost++
	m.confirmed = nil
	m.pending = nil
}

// Ours returns the mark that the database has, or nil, and the one that may replace
// it at any time, or nil. Call it before the mark is read.
func (m *Marks) Ours() (confirmed, pending []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.confirmed, m.pending
}

// See compares the mark that was read, nil where there is none, with what Ours returned
// before, and returns how often data may have been lost. Where no mark was confirmed
// then, or a loss was noticed meanwhile, the mark says nothing.
func (m *Marks) See(mark, confirmed, pending []byte) (lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	isOurs := mark != nil && (bytes.Equal(mark, confirmed) || bytes.Equal(mark, pending))
	isNoticed := m.confirmed == nil
	if confirmed != nil && !isOurs && !isNoticed {
		m.loseLocked()
	}
	return m.lost
}

// Next returns the mark to write, and the mark to write it over, which is nil where
// none is known. While it is unknown whether the last mark was written, Next returns
// that one again. free is false while a mark is being written, until Written is called.
// The write is a compare-and-set, over the mark itself or the one before, because a
// mark that is written into an older state would hide that state.
func (m *Marks) Next() (over, mark []byte, free bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isWriting {
		return nil, nil, false
	}
	m.isWriting = true
	if m.pending == nil {
		fresh := random()
		m.pending = fresh[:]
	}
	return m.confirmed, m.pending, true
}

// Written notes the result of writing a mark: another says that the database had
// another mark; err is any other failure. A mark whose write failed may stand in the
// database all the same.
func (m *Marks) Written(mark []byte, another bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isWriting = false
	isNoticed := !bytes.Equal(mark, m.pending)
	switch {
	case isNoticed: // a loss that has made the mark void
	case another:
		m.loseLocked()
	case err == nil:
		m.confirmed = m.pending
		m.pending = nil
	}
}
