package session

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/holdfast-go/session/internal/jsonvalue"
	"github.com/holdfast-go/session/internal/state"
)

// Key is a typed name under which a session holds a value. Make it once, as a
// package variable. Each Get decodes the value of its key, and nothing else, and the
// result is the caller's own.
//
// Where the session could not be loaded, every method that returns an error
// returns that one, and a write makes the commit answer it. A write that fails
// because of the session (ErrReadOnly, ErrNoSession, ErrTooLate, *ValueError,
// ErrUnavailable) comes back at the commit and replaces the
// response: Set and Delete return nothing, and a handler that wants to know asks
// Session.Err.
type Key[T any] struct {
	name  string
	codec Codec
	flags state.Flags
}

// Codec turns the values of a key into bytes and back. Equal values should
// give equal bytes: setting a value to what it is already then writes
// nothing. Decode must not change or keep data.
type Codec interface {
	Encode(v any) ([]byte, error)
	Decode(data []byte, v any) error // v points to the value
}

// KeyOption changes what NewKey makes.
type KeyOption func(*keyOptions)

type keyOptions struct {
	codec Codec
	flags state.Flags
}

// ServerOnly keeps the key's values in the store. They never travel to the
// visitor, not even sealed.
func ServerOnly() KeyOption { return func(o *keyOptions) { o.flags |= state.ServerOnly } }

// Uncompressed keeps the key's values as they are in a copy. Other values of 256 bytes and more
// are compressed, each alone: the length of a compressed value reveals nothing about other keys,
// but may reveal a secret beside attacker-chosen text in the same value. Use it for such a value.
func Uncompressed() KeyOption { return func(o *keyOptions) { o.flags |= state.Uncompressed } }

// Rank is the importance of a key to a backup, from 0, the default, to 15: where
// not all values fit Backup.Copy, those of the lowest rank are left out, the
// largest first. Changing the rank of a key rewrites its values as they are set. Rank
// panics for any other n.
func Rank(n int) KeyOption {
	if n < 0 || n > state.MaxRank {
		panic(fmt.Sprintf("session: rank %d is not between 0 and %d", n, state.MaxRank))
	}
	return func(o *keyOptions) { o.flags = o.flags&(1<<state.RankShift-1) | state.Flags(n)<<state.RankShift }
}

// WithCodec encodes the key's values with c instead of JSON.
func WithCodec(c Codec) KeyOption { return func(o *keyOptions) { o.codec = c } }

// NewKey returns the key of that name. Two keys of one name hold the same value, and
// must have the same type and options. It panics where the name is empty, longer than
// 255 bytes, has control characters or a "/", which is reserved.
func NewKey[T any](name string, options ...KeyOption) Key[T] {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if name == "" || len(name) > state.MaxName || strings.Contains(name, "/") || strings.ContainsFunc(name, control) {
		panic(fmt.Sprintf("session: %q cannot be the name of a key", name))
	}
	o := keyOptions{codec: jsonvalue.For[T]()}
	for _, option := range options {
		option(&o)
	}
	return Key[T]{name: name, codec: o.codec, flags: o.flags}
}

// Name returns the key's name.
func (k Key[T]) Name() string { return k.name }

// Get returns the value, changes of this request included; use Or for what may
// be absent. It fails with ErrNoValue where there is none, with a *ValueError
// where what is stored does not decode into T, with ErrUnavailable where the
// value is not known, because the session could not be loaded or its sealed copy
// lacks the value while the store is away, and with ErrLost where no copy of it
// has survived.
func (k Key[T]) Get(s *Session) (T, error) {
	var v T
	data, err := s.value(k.name)
	if err != nil {
		return v, err
	}
	if err := k.decode(data, &v); err != nil {
		s.spoil(err)
		var zero T
		return zero, err
	}
	return v, nil
}

// Or returns the value. It returns fallback where there is none, and where the value
// does not decode, which Hooks.BadValue reports.
//
// Where the value is not known, because the session could not be loaded, the value
// is not in the sealed copy, or no copy of it has survived, Or returns fallback too,
// and the commit answers that error instead of the handler's response: otherwise a
// page would show an empty cart as if it were the visitor's, and save what was built
// on it. A handler that can do without the value calls Get.
func (k Key[T]) Or(s *Session, fallback T) T {
	v, err := k.Get(s)
	if err == nil {
		return v
	}
	s.fallBack(k.name, err)
	return fallback
}

// Set changes the value. It encodes v at once: later changes to v are not saved. A Set that
// fails makes the commit answer its error, and Err returns it.
//
// Set fails with a *ValueError for a value that JSON does not bring back, such as a string that
// is not UTF-8, for which there is []byte, a value in an interface with methods, an integer in
// an any that no float64 holds, or a struct in which two embedded ones have a field of one name.
// A value in an any comes back as JSON has it, an int as a float64. Unexported fields are not
// saved.
//
// After Get, Or, Take or Update met a value that does not decode, Set fails until Delete, so
// that no program overwrites what it cannot read. While the store is away Set fails with
// ErrUnavailable for a ServerOnly key, and, until Delete, where the sealed copy lacks the value
// that it would replace, because no handler can have read that value.
func (k Key[T]) Set(s *Session, v T) {
	data, err := k.encode(v)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.failKeyLocked(k.name, err)
		return
	}
	s.set(state.Change{Name: k.name, Flags: k.flags, Value: data})
}

// Update changes the value by running change on what the session holds, the
// zero T where it holds nothing. It runs change at once, and again on the new
// value each time another request has saved the session first, so that no
// update is lost: change must be pure, with no effect but on its argument.
//
// An error of change leaves the value as it is and is returned; from a later
// run it is the error of Save, or replaces the response.
func (k Key[T]) Update(s *Session, change func(*T) error) error {
	return s.update(&state.Edit{Change: k.change(), Step: func(old []byte, ok bool) ([]byte, bool, error) {
		var v T
		if ok {
			if err := k.decode(old, &v); err != nil {
				s.spoil(err)
				return nil, false, err
			}
		}
		if err := change(&v); err != nil {
			return nil, false, state.StepError{Err: err}
		}
		data, err := k.encode(v)
		return data, true, err
	}})
}

// Delete removes the value. Deleting an absent value changes nothing.
func (k Key[T]) Delete(s *Session) {
	s.set(state.Change{Name: k.name, Flags: state.Deleted | k.flags})
}

// Take returns the value and deletes it: for a message that is shown once. A
// value that another request has set since stays.
func (k Key[T]) Take(s *Session) (T, error) {
	taken, err := s.value(k.name)
	if err != nil {
		s.fallBack(k.name, err) // the commit answers the error, because Take is a write
		var zero T
		return zero, err
	}
	v, err := k.Get(s)
	if err != nil {
		return v, err
	}
	return v, s.update(&state.Edit{Change: k.change(), Step: func(old []byte, ok bool) ([]byte, bool, error) {
		return old, ok && !bytes.Equal(old, taken), nil
	}})
}

func (k Key[T]) change() state.Change { return state.Change{Name: k.name, Flags: k.flags} }

func (k Key[T]) encode(v T) ([]byte, error) {
	data, err := k.codec.Encode(v)
	if err != nil {
		return nil, &ValueError{k.name, err}
	}
	return data, nil
}

func (k Key[T]) decode(data []byte, v *T) *ValueError {
	if err := k.codec.Decode(data, v); err != nil {
		return &ValueError{k.name, err}
	}
	return nil
}
