package scsbridge

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/anyvalue"
)

// prefix is what the names of all keys begin with.
const prefix = "scs."

// names is the key of the names of all keys that the session holds, sorted, because a
// session does not list what it holds. It is in every sealed copy. Each Put repeats
// its name as an Update, so that a Remove by another request, whichever is saved
// first, leaves a value and its name or neither.
var names = session.NewKey[[]string]("scs", session.Rank(15))

// Put sets the value of a key. It encodes val at once: later changes to it are not
// saved. Values of types that gob has to know must be registered with gob.Register,
// or the answer is 500.
func (s *SessionManager) Put(ctx context.Context, key string, val any) {
	v, _ := s.sessions.From(ctx)
	s.key(key).Set(v, val)
	name := nameOf(key)
	// The commit answers its error.
	_ = names.Update(v, func(all *[]string) error {
		if i, found := slices.BinarySearch(*all, name); !found {
			*all = slices.Insert(*all, i, name)
		}
		return nil
	})
}

// Get returns the value of a key, or nil where there is none. The value is the
// caller's own.
func (s *SessionManager) Get(ctx context.Context, key string) any {
	v, _ := s.sessions.From(ctx)
	return s.key(key).Or(v, nil)
}

// Pop returns the value of a key and removes it.
func (s *SessionManager) Pop(ctx context.Context, key string) any {
	val := s.Get(ctx, key)
	s.Remove(ctx, key)
	return val
}

// Remove removes a key. To remove what is not there changes nothing.
func (s *SessionManager) Remove(ctx context.Context, key string) {
	v, _ := s.sessions.From(ctx)
	s.remove(v, nameOf(key))
}

// Clear removes all keys. The session goes on, with its token and lifetime, and so do
// the values of keys of your own. It returns the error that will be the answer, if
// there is one by now.
func (s *SessionManager) Clear(ctx context.Context) error {
	v, _ := s.sessions.From(ctx)
	s.remove(v, names.Or(v, nil)...)
	return v.Err()
}

// remove deletes the values of these names, and the names where the session has them:
// a visitor without a session must not get one.
func (s *SessionManager) remove(v *session.Session, gone ...string) {
	known := names.Or(v, nil)
	listed := false
	for _, name := range gone {
		s.keyNamed(name).Delete(v)
		listed = listed || slices.Contains(known, name)
	}
	if !listed {
		return
	}
	_ = names.Update(v, func(all *[]string) error {
		*all = slices.DeleteFunc(*all, func(name string) bool { return slices.Contains(gone, name) })
		return nil
	})
}

// Exists reports whether there is a value under key.
func (s *SessionManager) Exists(ctx context.Context, key string) bool {
	v, _ := s.sessions.From(ctx)
	return s.exists(v, nameOf(key))
}

func (s *SessionManager) exists(v *session.Session, name string) bool {
	key := s.keyNamed(name)
	_, err := key.Get(v)
	var bad *session.ValueError
	if err == nil || errors.As(err, &bad) {
		return true
	}
	key.Or(v, nil) // where it is unknown, the answer is the error
	return false
}

// Keys returns all keys, sorted. While the store is away, two instances that put
// keys of one session at the same time may each list their own alone, until those are
// put again.
func (s *SessionManager) Keys(ctx context.Context) []string {
	v, _ := s.sessions.From(ctx)
	keys := []string{}
	for _, name := range names.Or(v, nil) {
		if s.exists(v, name) {
			keys = append(keys, keyOf(name))
		}
	}
	slices.Sort(keys)
	return keys
}

func (s *SessionManager) key(key string) session.Key[any] { return s.keyNamed(nameOf(key)) }

func (s *SessionManager) keyNamed(name string) session.Key[any] {
	options := []session.KeyOption{session.WithCodec(anyvalue.Codec{})}
	if s.options.Key != nil {
		options = append(options, s.options.Key(keyOf(name))...)
	}
	return session.NewKey[any](prefix+name, options...)
}

// nameOf returns the name for a key of scs, which may have characters that the name
// of a session.Key cannot have, and that JSON cannot keep.
func nameOf(key string) string {
	special := func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '%' }
	if utf8.ValidString(key) && !strings.ContainsFunc(key, special) {
		return key
	}
	return url.PathEscape(key)
}

// keyOf returns the key of a name.
func keyOf(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	key, err := url.PathUnescape(name)
	if err != nil {
		return name // no Put has made it
	}
	return key
}
