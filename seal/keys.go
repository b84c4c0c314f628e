package seal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Keys are what a Box seals and opens with: the first key seals, all keys
// open. A key that is decrypt-only is passed over when the first one is looked
// for. Keys print as their IDs and are safe for concurrent use; the zero Keys
// opens nothing and cannot seal.
type Keys struct {
	ring atomic.Pointer[ring] // a File puts another one here
}

// ring is never empty, and never changed.
type ring struct {
	seals *material
	all   []*material
	names []string // what may be printed of them

	generation uint64
}

var generations atomic.Uint64

// next returns the place, from i on, of a key with this ID, or -1.
func (r *ring) next(i int, id KeyID) int {
	if r == nil {
		return -1
	}
	for ; i < len(r.all); i++ {
		if r.all[i].id == id {
			return i
		}
	}
	return -1
}

// NewKeys fails where a key is the zero Key or there twice, and where none may
// seal. The error names keys by their place, from 1.
func NewKeys(keys ...Key) (*Keys, error) {
	r, err := newRing(keys, func(i int) string { return "key " + strconv.Itoa(i+1) })
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return newKeys(r), nil
}

// ParseKeys reads keys from text, one per line, in the order in which NewKeys
// wants them:
//
//	# comments and empty lines are passed over
//	9pUu…44 characters of base64…Zb0=           # so is what follows a key
//	7f6e…64 digits of hex…10       decrypt-only
//
// A comma ends a key as a line does, for variables that hold one line. See
// ParseKey for how a key is written. The error names every line that is wrong,
// and never what is in it.
func ParseKeys(text string) (*Keys, error) {
	r, err := parseRing(text)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return newKeys(r), nil
}

// KeysFromEnv reads keys as ParseKeys does from an environment variable.
func KeysFromEnv(name string) (*Keys, error) {
	text, ok := os.LookupEnv(name)
	if !ok {
		return nil, fmt.Errorf("seal: environment variable %s is not set", name)
	}
	r, err := parseRing(text)
	if err != nil {
		return nil, fmt.Errorf("seal: environment variable %s: %w", name, err)
	}
	return newKeys(r), nil
}

// Generation returns a number that changes with the keys. No two Keys of the process
// have the same one.
func (k *Keys) Generation() uint64 {
	if r := k.current(); r != nil {
		return r.generation
	}
	return 0
}

// Len returns how many keys there are, those that only decrypt included.
func (k *Keys) Len() int {
	if r := k.current(); r != nil {
		return len(r.all)
	}
	return 0
}

// Format prints the IDs, whatever the verb.
func (k *Keys) Format(f fmt.State, _ rune) { io.WriteString(f, k.describe()) }

// LogValue is the IDs too.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.describe()) }

func (k *Keys) describe() string {
	r := k.current()
	if r == nil {
		return "[no keys]"
	}
	return "[" + strings.Join(r.names, ", ") + "]"
}

func (k *Keys) current() *ring {
	if k == nil {
		return nil
	}
	return k.ring.Load()
}

func newKeys(r *ring) *Keys {
	k := new(Keys)
	k.ring.Store(r)
	return k
}

// newRing reports every mistake, with the place where name says the key is.
func newRing(keys []Key, name func(int) string) (*ring, error) {
	r := &ring{generation: generations.Add(1)}
	var errs []error
	first := map[[keySize]byte]int{}
	for i, k := range keys {
		if k.open == nil {
			errs = append(errs, fmt.Errorf("%s is the zero Key; make it with NewKey, KeyFrom or ParseKey", name(i)))
			continue
		}
		m := k.open()
		if j, ok := first[m.secret]; ok {
			errs = append(errs, fmt.Errorf("%s repeats %s", name(i), name(j)))
			continue
		}
		first[m.secret] = i
		if r.seals == nil && !k.decryptOnly {
			r.seals = m
		}
		r.all, r.names = append(r.all, m), append(r.names, strings.Trim(k.describe(), "[]"))
	}
	switch {
	case len(keys) == 0:
		errs = append(errs, errors.New("no keys; make one with: openssl rand -base64 32"))
	case r.seals == nil && len(errs) == 0:
		errs = append(errs, errors.New("no key seals: all are decrypt-only"))
	}
	return r, errors.Join(errs...)
}

func parseRing(text string) (*ring, error) {
	var keys []Key
	var places []string
	var errs []error
	for n, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line, _, _ = strings.Cut(line, "#")
		for part := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(part) == "" {
				continue
			}
			k, err := parseKey(part)
			if err != nil {
				errs = append(errs, fmt.Errorf("line %d: the key %w", n+1, err))
				continue
			}
			keys, places = append(keys, k), append(places, "line "+strconv.Itoa(n+1))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return newRing(keys, func(i int) string { return places[i] })
}
