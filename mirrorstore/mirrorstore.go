package mirrorstore

import (
	"cmp"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/deadline"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// Options may be nil.
type Options struct {
	// Idle and Lifetime are those of the [session.Options] of the Manager, with the same
	// defaults. A repair needs them where a store does not tell when a record expires.
	Idle, Lifetime time.Duration
}

// Store is a [session.Store] on two. It is a [session.FreshLoader], a [session.Lister], a
// [session.Prober] and a [session.EvictionCounter] whatever the two are. Any number of
// goroutines may use it.
type Store struct {
	first, second *side
	idle          time.Duration
	lifetime      time.Duration
	halves        deadline.Patient // after which an operation goes on without one of the stores
	repairing     deadline.Patient // of single records
	twins         twins

	mu       sync.Mutex
	deciders map[string]*decider // by the shard of the mirror
}

var (
	_ session.FreshLoader     = (*Store)(nil)
	_ session.Lister          = (*Store)(nil)
	_ session.Prober          = (*Store)(nil)
	_ session.EvictionCounter = (*Store)(nil)
)

// New returns a Store that keeps every session in both stores. It panics where a store is nil,
// where both are the same, and where an option is negative.
func New(first, second session.Store, o *Options) *Store {
	if first == nil || second == nil {
		panic("session: mirrorstore: a store is nil")
	}
	if reflect.TypeOf(first).Comparable() && first == second {
		panic("session: mirrorstore: the second store is the first")
	}
	if o == nil {
		o = &Options{}
	}
	if o.Idle < 0 || o.Lifetime < 0 {
		panic(fmt.Sprintf("session: mirrorstore: Idle %v or Lifetime %v is negative", o.Idle, o.Lifetime))
	}
	s := &Store{
		first:    newSide("first", first, session.Version{}),
		second:   newSide("second", second, ofSecond),
		idle:     cmp.Or(o.Idle, 30*time.Minute),
		lifetime: cmp.Or(o.Lifetime, 24*time.Hour),
		deciders: make(map[string]*decider),
	}
	s.first.other, s.second.other = s.second, s.first
	return s
}

func (s *Store) both() [2]*side { return [2]*side{s.first, s.second} }

// ofSecond is what tells a Version of the second store from one of the first: two stores of one
// kind may number their writes alike.
var ofSecond = session.Version{0x6d, 0x69, 0x72, 0x72, 0x6f, 0x72, 0x1e, 0x9b, 0x52, 0xd4, 0x07, 0xc3, 0xa8, 0x31, 0xf6, 0x4d}

// expiry returns when a record expires that a store has, by the session's own dates where the
// store does not tell. It reports false where neither does.
func (s *Store) expiry(id session.ID, r session.Record) (time.Time, bool) {
	if !r.Expires.IsZero() {
		return r.Expires, true
	}
	now := time.Now()
	st, err := state.Decode(r.Data)
	switch {
	case err == nil && st.Dead():
		return now.Add(s.lifetime), true
	case err == nil && !recordid.Reserved(string(id)):
		unused := time.UnixMilli(st.LastSeen).Add(s.idle + s.idle/10)
		if end := time.UnixMilli(st.End); end.Before(unused) {
			return end, true
		}
		return unused, true
	case isShared(id):
		return now.Add(2 * s.lifetime), true
	}
	return time.Time{}, false
}
