// Package probe checks a shard of a store: whether it answers, whether it still has
// its data, and whether it takes the saves that visitors need.
//
// A canary is a record of its own in each shard, with a value that cannot be guessed.
// Where it is missing or another one, the shard has lost its data.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
)

// Version tells one write of a record from every other. The zero Version is that of
// no record.
type Version = [16]byte

// Store is what a probe needs of a store. Its methods are called concurrently.
type Store interface {
	// Load returns a record's data, past all caches, and whether there is one.
	Load(ctx context.Context, id string) (data []byte, found bool, err error)

	// Save puts a record over a Version. conflict reports whether the store has
	// another one.
	Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (v Version, conflict bool, err error)

	// Overwrite is Save over any Version.
	Overwrite(ctx context.Context, id string, data []byte, expires time.Time) error

	// Shard names the shard that holds id.
	Shard(id string) string

	// Incarnation asks a shard for a string that changes when it may have lost its
	// data. It is empty where the store has none.
	Incarnation(ctx context.Context, shard string) (string, error)
}

// Kind is a kind of save. A store that does one may refuse the other.
type Kind uint8

// The kinds of saves.
const (
	Create Kind = iota + 1
	Swap        // a compare-and-set
)

func (k Kind) String() string {
	if k == Create {
		return "create"
	}
	return "compare-and-set over the version just returned"
}

// settled is how long a canary has to stand until a process that has never seen
// it believes that its shard has not just lost its data. Package circuit keeps a
// shard in quarantine for as long.
const settled = 5 * time.Second

const (
	canaryLife = 5 * 366 * 24 * time.Hour
	canarySize = 8 + 8 // the time it was made, and random bytes

	// recordLife is long enough for the clock of a store that is ahead of this
	// one.
	recordLife = time.Hour

	// enough IDs for a shard that holds a thousandth of them, many times over.
	enough = 100_000
)

// past has passed by every clock.
var past = time.Unix(1, 0)

// ErrNoCanary says that the shard holds no canary and takes none.
var ErrNoCanary = errors.New("session: the shard takes no canary")

// Shard probes one shard. Look may be called by any number of goroutines at once,
// Try by one at a time. Its exported fields are set before the first call.
type Shard struct {
	Store    Store
	Name     string
	Instance uint32           // of this process, in the IDs of its records
	Now      func() time.Time // by this process's clock
	Budget   time.Duration    // of each save that Try makes

	mu          sync.Mutex // guards all below
	canary      string     // its ID
	value       []byte     // nil: not seen yet
	incarnation string

	// Only Try uses what follows.
	record  string
	version Version // zero: the store has no record
	made    int     // records, each under an ID of its own
}

// Look checks that the shard answers and has its data: by its canary and, where
// thorough is set, by its incarnation too. lost reports whether "nothing" from the
// shard proves nothing. known reports whether this process saw the data that is
// lost; a shard that is new to this process alarms nobody.
func (s *Shard) Look(ctx context.Context, thorough bool) (lost, known bool, err error) {
	restarted := false
	if thorough {
		incarnation, err := s.Store.Incarnation(ctx, s.Name)
		if err != nil {
			return false, false, err
		}
		restarted = s.meetIncarnation(incarnation)
	}
	value, err := s.read(ctx)
	another, young := false, false
	if err == nil || errors.Is(err, ErrNoCanary) {
		another, young = s.meet(value)
	}
	known = restarted || another
	return known || young, known, err
}

// meetIncarnation reports whether the shard has another incarnation than before.
func (s *Shard) meetIncarnation(incarnation string) (restarted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.incarnation
	s.incarnation = incarnation
	return before != "" && before != incarnation
}

// read returns the value of the canary, and makes one where there is none.
func (s *Shard) read(ctx context.Context) ([]byte, error) {
	id, err := s.Canary()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		value, found, err := s.Store.Load(ctx, id)
		if err != nil || found {
			return value, err
		}
		value = make([]byte, canarySize)
		binary.BigEndian.PutUint64(value, uint64(s.Now().UnixMilli()))
		rand.Read(value[8:])
		_, conflict, err := s.Store.Save(ctx, id, value, s.Now().Add(canaryLife), Version{})
		switch {
		case conflict && attempt < 3:
			continue // another instance was first
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrNoCanary, err)
		}
		return value, nil
	}
}

// meet reports whether the canary is not the one that this process knew, and whether
// this process knew none and there is none or a young one. A young canary is as good
// as none: the process that made it found the shard empty.
func (s *Shard) meet(value []byte) (another, young bool) {
	s.mu.Lock()
	before := s.value
	s.value = bytes.Clone(value)
	s.mu.Unlock()
	if before != nil {
		return !bytes.Equal(before, value), false
	}
	if len(value) != canarySize {
		return false, true
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(value)))
	return false, s.Now().Sub(made) <= settled
}

// Canary returns the ID of the shard's canary. It fails where the store's layout
// has changed so that the shard holds nothing any more.
func (s *Shard) Canary() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.canary != "" && s.Store.Shard(s.canary) == s.Name {
		return s.canary, nil
	}
	for n := range enough {
		id := recordid.Canary(n)
		if s.Store.Shard(id) != s.Name {
			continue
		}
		if s.canary != "" {
			s.value = nil // the store's layout has changed
		}
		s.canary = id
		return id, nil
	}
	return "", fmt.Errorf("session: no ID found in shard %s", s.Name)
}

// Try makes the saves that visitors make, which a store may refuse that answers
// everything else. It alternates between two turns: it creates a record and replaces
// it, then it replaces the record and ends it. No other process writes that record,
// so a conflict is a refusal, unless the shard has lost the record since the last
// call. Try calls judge with the result of each kind of save, and returns the first
// error.
func (s *Shard) Try(ctx context.Context, judge func(Kind, error)) error {
	if s.version != (Version{}) && s.Store.Shard(s.record) == s.Name {
		over := s.version
		s.version = Version{}
		v, conflict, err := s.save(ctx, s.record, s.Now().Add(recordLife), over)
		if err == nil {
			_, conflict, err = s.save(ctx, s.record, past, v)
		}
		if !conflict {
			return judged(judge, Swap, err)
		}
	}
	id, err := s.unusedID()
	if err != nil {
		return err
	}
	v, _, err := s.save(ctx, id, s.Now().Add(recordLife), Version{})
	if err = judged(judge, Create, err); err != nil {
		return err
	}
	v, _, err = s.save(ctx, id, s.Now().Add(recordLife), v)
	if err == nil {
		s.record = id
		s.version = v
	} else {
		s.drop(ctx, id)
	}
	return judged(judge, Swap, err)
}

func (s *Shard) save(ctx context.Context, id string, expires time.Time, over Version) (Version, bool, error) {
	limited, cancel := context.WithTimeout(ctx, s.Budget)
	defer cancel()
	return s.Store.Save(limited, id, []byte("{}"), expires, over)
}

// drop removes a record that Try cannot go on with, or one would stay for each
// call.
func (s *Shard) drop(ctx context.Context, id string) {
	limited, cancel := context.WithTimeout(ctx, s.Budget)
	defer cancel()
	_ = s.Store.Overwrite(limited, id, []byte("{}"), past) // it expires by itself if this fails
}

func judged(judge func(Kind, error), k Kind, err error) error {
	if err != nil {
		err = fmt.Errorf("session: probe: %s: %w", k, err)
	}
	judge(k, err)
	return err
}

// unusedID returns an ID in this shard that was never used.
func (s *Shard) unusedID() (string, error) {
	for range enough {
		s.made++
		id := recordid.Probe(s.Instance, s.made)
		if s.Store.Shard(id) == s.Name {
			return id, nil
		}
	}
	return "", fmt.Errorf("session: no ID found in shard %s", s.Name)
}
