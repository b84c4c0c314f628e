package session

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
)

// writableLocked returns why nothing can be written. s.mu is held.
func (s *Session) writableLocked() error {
	switch {
	case s.readOnly:
		return ErrReadOnly
	case s.loaded.Phase == lookup.Unknown:
		return s.loaded.Err
	case s.loaded.Phase == lookup.Live:
		return nil
	case s.required:
		return ErrNoSession
	case s.sealed:
		return ErrTooLate
	}
	return nil
}

// refusal is a write that failed.
type refusal struct {
	key string // empty: it was not of a key
	err error
}

// reason returns why it failed, and nil where r is nil.
func (r *refusal) reason() error {
	if r == nil {
		return nil
	}
	return r.err
}

// failLocked keeps the first error of a write, so that the answer of a handler which
// ignores the error is not a success. s.mu is held.
func (s *Session) failLocked(err error) error { return s.failKeyLocked("", err) }

// failKeyLocked is failLocked for a write of a key. Where no answer is left to replace,
// Hooks.Dropped reports the error. s.mu is held.
func (s *Session) failKeyLocked(key string, err error) error {
	s.keepFaultLocked(key, err)
	s.watchLocked()
	return err
}

// keepFaultLocked keeps the first error that the commit is to answer. s.mu is held.
func (s *Session) keepFaultLocked(key string, err error) {
	if s.fault == nil {
		s.fault = &refusal{key, err}
	}
}

// acceptedLocked drops the error of an earlier write that this one repeats. s.mu is held.
func (s *Session) acceptedLocked(key string) {
	if s.refused != nil && (s.refused.key == "" || s.refused.key == key) {
		s.refused = nil
	}
}

func (s *Session) failed(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failLocked(err)
}

// value returns the encoded value under name, which must not be changed.
func (s *Session) value(name string) ([]byte, error) {
	s.lockLoaded()
	defer s.mu.Unlock()
	if s.loaded.Phase == lookup.Unknown {
		return nil, s.loaded.Err
	}
	value, err := state.Lookup(s.loaded.State, s.changes, name)
	return value, s.absenceLocked(name, err)
}

// absenceLocked returns the error for a handler that reads a value which the state does
// not hold. s.mu is held.
func (s *Session) absenceLocked(name string, err error) error {
	switch {
	case errors.Is(err, state.ErrNoValue):
		return ErrNoValue
	case errors.Is(err, state.ErrWithheld) && s.loaded.Away():
		return withheldError(name)
	case errors.Is(err, state.ErrWithheld):
		return ErrLost
	}
	return err
}

// isWithheldLocked reports whether the store has a value under name that this copy lacks,
// and that this request has not deleted. s.mu is held.
func (s *Session) isWithheldLocked(name string) bool {
	_, err := state.Lookup(s.loaded.State, s.changes, name)
	return errors.Is(err, state.ErrWithheld)
}

// fallBack notes why Or returned its default. Where the value is not known, the
// commit answers the error instead of what the handler made of the absence. Once the
// response header is written there is nothing left to replace, and a Set of that
// value is refused.
func (s *Session) fallBack(name string, err error) {
	var bad *ValueError
	switch {
	case errors.Is(err, ErrNoValue):
		return
	case errors.As(err, &bad):
		if s.m.hooks.BadValue != nil {
			s.m.hooks.BadValue(s.ctx, s.name(), bad)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return
	}
	if errors.Is(err, ErrLost) {
		err = &lostError{name}
	}
	s.keepFaultLocked(name, err)
}

// lostError is ErrLost of one key.
type lostError struct{ key string }

func (e *lostError) Error() string { return ErrLost.Error() + ": key " + e.key }

func (e *lostError) Unwrap() error { return ErrLost }

// withheldError is the error for a value that the store has and the copy lacks.
func withheldError(name string) error {
	return fmt.Errorf("%w: key %s is not in the backup", ErrUnavailable, name)
}

// set keeps a change until the commit.
func (s *Session) set(c state.Change) {
	s.lockLoaded()
	defer s.mu.Unlock()
	if err := s.admitLocked(c); err != nil {
		_ = s.failKeyLocked(c.Name, err)
		return
	}
	if c.Flags.Kind() == state.Deleted {
		s.forgetFaultLocked(c.Name)
	}
	s.acceptedLocked(c.Name)
	// The new change replaces what this request did to the key before. If it did
	// nothing, setting the value that the store has already is no change.
	edits := slices.DeleteFunc(slices.Clone(s.edits), func(e *state.Edit) bool { return e.Name == c.Name })
	if len(edits) == len(s.edits) && !c.Changes(s.loaded.State) {
		return
	}
	if len(edits) >= maxEdits {
		_ = s.failKeyLocked(c.Name, errTooMany)
		return
	}
	s.edits = edits
	s.addLocked(&state.Edit{Change: c}, s.changes.With(c))
}

// admitLocked returns why a change cannot be made. s.mu is held.
func (s *Session) admitLocked(c state.Change) error {
	if err := s.writableLocked(); err != nil {
		return err
	}
	if c.Flags.Kind() == state.Deleted {
		return nil
	}
	if s.loaded.Away() && (c.Flags&state.ServerOnly != 0 || s.isWithheldLocked(c.Name)) {
		return withheldError(c.Name)
	}
	if bad := s.broken[c.Name]; bad != nil {
		return bad
	}
	return nil
}

// forgetFaultLocked drops the note that the value of a key could not be read,
// because the key is deleted. s.mu is held.
func (s *Session) forgetFaultLocked(key string) {
	delete(s.broken, key)
	var bad *ValueError
	var lost *lostError
	unreadable := errors.As(s.fault.reason(), &bad) && bad.Key == key
	gone := errors.As(s.fault.reason(), &lost) && lost.key == key
	if unreadable || gone {
		s.fault = nil
	}
}

// maxEdits bounds the changes that wait to be saved, as in a stream whose saves fail.
const maxEdits = 10_000

var errTooMany = fmt.Errorf("%w: %d changes wait to be saved already", ErrUnavailable, maxEdits)

// update runs step, without a lock so that it may use the session, and once
// more if another goroutine came in between.
func (s *Session) update(e *state.Edit) error {
	for range maxRuns {
		s.lockLoaded()
		if err := s.writableLocked(); err != nil {
			defer s.mu.Unlock()
			return s.failKeyLocked(e.Name, err)
		}
		st, l := s.loaded.State, s.changes
		seq := s.seq
		s.mu.Unlock()

		after, err := e.Apply(st, l)

		s.mu.Lock()
		switch {
		case err != nil:
			defer s.mu.Unlock()
			if own, ok := state.StepErrorOf(err); ok {
				return own // an error of the handler's function, and no write that failed
			}
			return s.failKeyLocked(e.Name, s.absenceLocked(e.Name, err))
		case s.seq == seq && len(s.edits) >= maxEdits:
			defer s.mu.Unlock()
			return s.failKeyLocked(e.Name, errTooMany)
		case s.seq == seq:
			s.acceptedLocked(e.Name)
			s.addLocked(e, after)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
	}
	return s.failed(fmt.Errorf("session: Update of key %s: its function changes the session whenever it runs", e.Name))
}

// maxRuns bounds the runs of an Update whose function changes the session itself:
// each run would make another one necessary.
const maxRuns = 1000

// forgetLocked drops the changes that are not saved. s.mu is held.
func (s *Session) forgetLocked() {
	s.edits = nil
	s.changes = nil
	s.doubts = nil
	s.broken = nil
	s.fault, s.refused = nil, nil
	s.renewal, s.replaced = commit.KeepID, ""
	s.seq++
}

func (s *Session) addLocked(e *state.Edit, after state.Changes) {
	s.edits, s.changes = append(s.edits, e), after
	s.seq++
	s.watchLocked()
}

// spoil remembers that the value under a key does not decode, so that no write
// replaces it.
func (s *Session) spoil(err *ValueError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = make(map[string]*ValueError)
	}
	s.broken[err.Key] = err
}
