package mirrorstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// Which of the two stores decides saves stands in both, as a number that only grows: the second
// does while it is even, as it is at first. The process that finds the deciding store out writes
// the next number into the other one. Nothing is saved to one store alone until each process has
// read that it decides: two stores that decide at once take two saves over one record.
const (
	// readEvery is how old a process's reading of the number may be when it saves to both
	// stores. While it reads anew the old one may be older, by the time that the read takes.
	// That is safe: where others save by another number, one of the two compare-and-sets fails.
	readEvery = time.Second / 2

	// validFor is how old it may be when a process saves to one store alone.
	validFor = time.Second

	// settled is how long after the number has changed no process saves by the one before:
	// validFor, and the time of a save.
	settled = 3 * time.Second / 2

	// numberLives is how long the number stays in a store.
	numberLives = 30 * 24 * time.Hour
)

// errUndecided is the error of a save while no store decides.
var errUndecided = errors.New("session: mirrorstore: one store is out, and not every instance knows yet that the other decides")

// decider is what this process knows of the number for a shard, which is one of each store.
type decider struct {
	turn    chan struct{} // of the one caller that writes the next number
	repairs chan struct{} // of the one probe that repairs
	shards  map[*side]string
	ids     map[*side]session.ID

	mu      sync.Mutex
	number  uint64
	since   time.Time // when the process has read the number first
	read    map[*side]time.Time
	reading *reading // under way; nil: none
}

// reading is one read of the number from the stores, for all callers that need it meanwhile.
type reading struct {
	done chan struct{}
	err  error // set before done is closed
}

func (s *Store) decider(id session.ID) *decider {
	return s.deciderOf(s.first.shard(id), s.second.shard(id))
}

func (s *Store) deciderOf(first, second string) *decider {
	shard := first + between + second
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.deciders[shard]
	if d == nil {
		d = &decider{
			turn:    make(chan struct{}, 1),
			repairs: make(chan struct{}, 1),
			shards:  map[*side]string{s.first: first, s.second: second},
			ids:     make(map[*side]session.ID),
			read:    make(map[*side]time.Time),
		}
		for _, x := range s.both() {
			d.ids[x] = x.numberID(shard, d.shards[x])
		}
		s.deciders[shard] = d
	}
	return d
}

// out reports whether a store is out, for calls of a kind.
func (d *decider) out(x *side, k kind) bool { return x.isOut(d.shards[x], k) }

// numberID returns the ID of the number for a shard of the mirror, in a shard of the store. Where
// an ID's shard follows from the ID, it is one of 256 that are tried.
func (s *side) numberID(mirror, shard string) session.ID {
	hash := sha256.Sum256([]byte(mirror))
	base := uint64(binary.BigEndian.Uint32(hash[:])) << 8
	for n := range uint64(256) {
		if id := session.ID(numberPrefix + strconv.FormatUint(base|n, 10)); s.shard(id) == shard {
			return id
		}
	}
	return session.ID(numberPrefix + strconv.FormatUint(base, 10))
}

// now returns the number, and whether every process has read it.
func (d *decider) now() (number uint64, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.number, time.Since(d.since) >= settled
}

func (d *decider) adopt(number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number > d.number {
		d.number, d.since = number, time.Now()
	}
}

func (d *decider) readAt(x *side, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read[x] = t
}

// isFresh reports whether what the process has read of a store is younger than age.
func (d *decider) isFresh(x *side, age time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.read[x]) < age
}

// enter waits for the turn.
func (d *decider) enter(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session: mirrorstore: %w", ctx.Err())
	}
}

func (d *decider) leave() { <-d.turn }

// decides returns which of the two stores decides saves of a session, by what this process has
// read last.
func (s *Store) decides(id session.ID) *side {
	n, _ := s.decider(id).now()
	return s.numbered(n)
}

func (s *Store) numbered(n uint64) *side {
	if n%2 == 0 {
		return s.second
	}
	return s.first
}

// decide returns the store that decides saves, and whether it may be saved to alone. It
// returns an error where that is not known, or where the other store has to decide and not every
// process knows yet. It waits for r, what readNumber has returned.
func (s *Store) decide(ctx context.Context, d *decider, r *reading) (x *side, alone bool, err error) {
	if err = r.wait(ctx); err != nil { // it may have ended with the time of another caller
		if err = s.readNumber(ctx, d).wait(ctx); err != nil {
			return nil, false, err
		}
	}
	number, known := d.now()
	x = s.numbered(number)
	if !d.out(x, saving) || d.out(x.other, saving) {
		return x, known && len(s.stale(d, validFor)) == 0, nil
	}
	if known {
		if err := s.next(ctx, d, number+1); err != nil {
			return nil, false, err
		}
	}
	return nil, false, errUndecided
}

// readNumber begins to read the number from the stores where that was not done of late. It returns
// the read that is under way, nil where none is needed.
func (s *Store) readNumber(ctx context.Context, d *decider) *reading {
	stale := s.stale(d, readEvery)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reading != nil || len(stale) == 0 {
		return d.reading
	}
	r := &reading{done: make(chan struct{})}
	d.reading = r
	began := time.Now()
	go func() {
		r.err = s.readFrom(ctx, d, stale, began)
		d.mu.Lock()
		d.reading = nil
		d.mu.Unlock()
		close(r.done)
	}()
	return r
}

func (r *reading) wait(ctx context.Context) error {
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("session: mirrorstore: %w", ctx.Err())
	}
}

func (s *Store) readFrom(ctx context.Context, d *decider, stale []*side, began time.Time) error {
	answers := make([]answer, len(stale))
	var all sync.WaitGroup
	for n, x := range stale {
		all.Go(func() { answers[n] = s.loadOne(ctx, x, d.ids[x], true) })
	}
	all.Wait()
	for n, x := range stale {
		switch a := answers[n]; {
		case answered(a.err):
			d.adopt(numberOf(a.Data))
			d.readAt(x, began)
		case !d.out(x, loading):
			return a.err
		}
	}
	// A store that was out, or has lost its memory, gets the number.
	number, _ := d.now()
	for n, x := range stale {
		if a := answers[n]; answered(a.err) && numberOf(a.Data) < number {
			_, _ = x.save(ctx, d.ids[x], numberRecord(number), a.Version)
		}
	}
	return nil
}

// stale returns the stores of which the process has not read the number for as long as age. It
// leaves out a store that is out, because that one decides nothing.
func (s *Store) stale(d *decider, age time.Duration) (stale []*side) {
	for _, x := range s.both() {
		if !d.isFresh(x, age) && !d.out(x, loading) {
			stale = append(stale, x)
		}
	}
	return stale
}

// next writes that the other store decides into it.
func (s *Store) next(ctx context.Context, d *decider, number uint64) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.leave()
	if n, _ := d.now(); n >= number {
		return nil
	}
	x := s.numbered(number)
	a := s.loadOne(ctx, x, d.ids[x], true)
	if !answered(a.err) {
		return a.err
	}
	if n := numberOf(a.Data); n >= number {
		d.adopt(n)
		return nil
	}
	if _, err := x.save(ctx, d.ids[x], numberRecord(number), a.Version); err != nil {
		return err
	}
	d.adopt(number)
	return nil
}

// numberPrefix begins the ID of a number: that of a record of a store's own.
const numberPrefix = "~mirror-"

const numberText = "mirror "

func numberRecord(n uint64) session.Record {
	return session.Record{Data: []byte(numberText + strconv.FormatUint(n, 10)), Expires: time.Now().Add(numberLives)}
}

// numberOf returns the number in a record, and 0 where there is none.
func numberOf(data []byte) uint64 {
	text, ok := strings.CutPrefix(string(data), numberText)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
