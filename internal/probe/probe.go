// Package probe finds out whether a shard of a store takes the saves that visitors need.
// Package members sees whether the shard answers, and still has its data; package
// circuit says when a probe is due, and what follows from its result.
package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
	"github.com/holdfast-go/session/internal/recordid"
)

// Version tells one write of a record from every other. The zero Version is that of
// no record.
type Version = [16]byte

// Store is what a probe needs of a store. Its methods are called concurrently.
type Store interface {
	// Save puts a record over a Version. conflict reports whether the store has
	// another one.
	Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (v Version, conflict bool, err error)

	// Overwrite is Save over any Version.
	Overwrite(ctx context.Context, id string, data []byte, expires time.Time) error

	// Shard names the shard that holds id.
	Shard(id string) string
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

const (
	// recordLife is long enough for the clock of a store that is ahead of this
	// one.
	recordLife = time.Hour

	// enough is how many IDs are tried: many times the number that it takes to find one
	// in a shard that holds a thousandth of all sessions.
	enough = 100_000
)

// past is an expiry that has passed by every clock.
var past = time.Unix(1, 0)

// Shard probes one shard, for one goroutine at a time. Its exported fields are set before
// the first call.
type Shard struct {
	Store    Store
	Name     string
	Instance uint32           // of this process, in the IDs of its records
	Now      func() time.Time // by this process's clock
	Budget   time.Duration    // of each save that Try makes

	record  string
	version Version // zero: the store has no record
	made    int     // records, each under an ID of its own
	budgets deadline.Patient
	hurried bool // see Hurried
}

// Try makes the saves that visitors make, which a store may refuse that answers
// everything else. It alternates between two turns: it creates a record and replaces
// it, then it replaces the record and ends it. No other process writes that record,
// so a conflict is a refusal, unless the shard has lost the record since the last
// call. Try calls judge with the result of each kind of save, and returns the first
// error.
func (s *Shard) Try(ctx context.Context, judge func(Kind, error)) error {
	s.hurried = false
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

// Hurried reports whether a save of the last Try took half of its budget or more, as far as
// this process ran in it, or may have.
func (s *Shard) Hurried() bool { return s.hurried }

func (s *Shard) save(ctx context.Context, id string, expires time.Time, over Version) (v Version, conflict bool, err error) {
	limited, budget, cancel := s.budgets.Until(ctx, s.Budget)
	defer cancel()
	v, conflict, err = s.Store.Save(limited, id, []byte("{}"), expires, over)
	s.hurried = s.hurried || budget.Hurried()
	return v, conflict, err
}

// drop removes a record that Try cannot go on with, because otherwise each call
// would leave one.
func (s *Shard) drop(ctx context.Context, id string) {
	limited, _, cancel := s.budgets.Until(ctx, s.Budget)
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
