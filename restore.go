package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// mayRestore prepares that b is put into a store that has nothing under its ID:
// the shard must remember what it should, and the sessions that b took the
// place of must be dead. It returns what those held. ErrEnded says that b is
// dead too, ErrUnavailable that it cannot be told. visitor tells whether one
// waits.
func (m *Manager) mayRestore(ctx context.Context, b state.Copy, visitor bool) (more state.Entries, err error) {
	s := m.shardOf(ID(b.ID))
	if err := s.believed(ctx); err != nil {
		return nil, err
	}
	if m.without&killLists != 0 {
		return nil, nil
	}
	for _, k := range b.Supersedes {
		if m.forgotten(k) {
			continue
		}
		g := journal.Tombstone{ID: string(ID(k.ID)), Death: state.Death{Dot: k.Dot, Reason: state.Renewed}}
		inherits := k.Heir && !k.Durable
		if g.IfLive = !inherits; inherits {
			g.Successor, g.Rotated = string(ID(b.ID)), b.State.Rotated != 0 // what came before that rotation is dead by now
		}
		s := m.shardOf(ID(k.ID))
		if known, ok := s.journal.Tombstone(string(ID(k.ID))); ok && inherits && known.ByOtherWriter(k) {
			return nil, ErrEnded
		}
		c := s.anyway(ID(k.ID))
		if visitor { // who has not to wait for a shard that is away
			if c, err = m.call(ctx, ID(k.ID), true, m.options.ReadTimeout); err != nil && inherits {
				return nil, err
			}
		}
		if err != nil {
			continue
		}
		done, err := m.execute(ctx, c, g)
		switch {
		case err != nil && inherits:
			return nil, err
		case err != nil:
			continue // it was dead once, by the hand that began this one
		case inherits:
			more = state.JoinEntries(more, done.Entries)
		}
		g.Death, g.Successor = done.Death, "" // it is decided
		if err := s.bury(ctx, g); err != nil {
			return nil, err
		}
	}
	return more, nil
}

// execute makes sure that a session is dead in the store, without overwriting a
// tombstone by a hand. It returns the death that stands there, and what an heir
// takes over; where there was nothing to end, a state that is not dead. ErrEnded
// says that the heir is dead too.
//
// Where another instance has rotated the session that g renews, what that has
// led to ends for the heir as well: a login ends all tokens of before it.
func (m *Manager) execute(ctx context.Context, c call, g journal.Tombstone) (state.State, error) {
	st, err := m.executeOne(ctx, c, g)
	for at, hops := st, 0; err == nil && g.Supersedes(at.Death.Link); hops++ {
		if hops == maxLine {
			return state.State{}, fmt.Errorf("%w: more than %d rotations to follow", ErrUnavailable, maxLine)
		}
		next := g
		next.ID = string(ID(at.Death.Link.Successor()))
		next.Death.Link = ""
		s := m.shardOf(ID(next.ID))
		if b, ok := s.journal.Copy(next.ID); ok {
			m.shardOf(ID(g.Successor)).owe(ctx, state.Copy{ID: g.Successor, State: b.State.Values()})
		}
		c := call{m: m, id: ID(next.ID), shard: s, budget: c.budget}
		if at, err = m.executeOne(ctx, c, next); err == nil {
			m.remember(ctx, ID(next.ID), at.Death)
			st.Entries = state.JoinEntries(st.Entries, at.Entries)
		}
	}
	return st, err
}

// executeOne is execute without what rotations have led to.
func (m *Manager) executeOne(ctx context.Context, c call, g journal.Tombstone) (state.State, error) {
	for end := m.attempts(); ; {
		r, err := m.read(ctx, c, true)
		st, dead := r.state, state.State{Death: g.Death}
		switch {
		case errors.Is(err, ErrNotFound):
			if g.Successor != "" && c.shard.quarantined() {
				return state.State{}, errForgetful // there may have been a tombstone
			}
			if g.IfStored && r.version == Absent {
				if c.shard == nil {
					return state.State{}, nil
				}
				return state.State{}, c.shard.believed(ctx)
			}
		case err != nil && g.Successor == "" && r.garbled != Absent:
			r.version = r.garbled // nobody can go on with that either
		case err != nil:
			return state.State{}, err
		case st.Dead() && st.Death.Reason == state.Rotated && g.Supersedes(st.Death.Link):
			dead.Death = state.JoinDeaths(dead.Death, st.Death)
		case st.Dead() && g.Successor != "" && st.Death.Dot != g.Death.Dot && st.Death.Reason != state.Rotated:
			return state.State{}, ErrEnded
		case st.Dead():
			return st, nil
		}
		if g.Successor != "" && len(st.Entries) > 0 {
			// What was written to the old session meanwhile is the heir's. It is
			// safe before there is no other place for it.
			m.shardOf(ID(g.Successor)).owe(ctx, state.Copy{ID: g.Successor, State: st.Values()})
		}
		_, err = m.put(ctx, c, "deliver", dead, r.version)
		switch {
		case err == nil:
			st.Death = dead.Death
			return st, nil
		case !errors.Is(err, ErrConflict):
			return state.State{}, err
		case !m.now().Before(end):
			return state.State{}, errContested
		}
	}
}

// believed looks whether the shard still remembers what it should, so that its
// having nothing is an answer. Else it returns why not.
func (s *shard) believed(ctx context.Context) error {
	m := s.m
	err := s.examine(m.reading.Within(ctx, time.Now(), m.options.ReadTimeout), false)
	switch {
	case err != nil && over(ctx):
		return fmt.Errorf("%w: %w", ErrUnavailable, errOver(ctx))
	case err != nil:
		return &awayError{err}
	case s.quarantined():
		return errForgetful
	}
	return nil
}

// errContested is why an operation gives up that others always came before.
var errContested = fmt.Errorf("%w: others write the session all the time", ErrUnavailable)

// quarantined tells whether the shard has just lost its memory: that it has
// nothing is then no answer.
func (s *shard) quarantined() bool {
	return s.m.without&quarantine == 0 && s.breaker.Quarantined(s.m.now())
}

// canary is a record of its own in each shard, with a value that nobody can
// guess. Where it is missing or another one, the shard has lost its memory.
type canary struct {
	mu          sync.Mutex
	id          ID
	value       []byte // nil: not seen yet
	incarnation string
}

const (
	canaryLife = 5 * 366 * 24 * time.Hour
	canarySize = 8 + 8 // the time it was made, and random bytes
)

// examine looks whether the shard answers, and whether it remembers what it
// should: thoroughly, or by its canary alone.
func (s *shard) examine(ctx context.Context, thoroughly bool) error {
	restarted := false
	if p, ok := s.m.store.(Prober); ok && thoroughly {
		incarnation, err := p.Probe(ctx, s.name)
		if err != nil {
			return err
		}
		s.canary.mu.Lock()
		before := s.canary.incarnation
		s.canary.incarnation = incarnation
		s.canary.mu.Unlock()
		restarted = before != "" && before != incarnation
	}
	value, err := s.readCanary(ctx)
	another, young := false, false
	if err == nil || errors.Is(err, errNoCanary) {
		another, young = s.meetCanary(value)
	}
	if restarted || another || young {
		s.forgot(ctx, restarted || another)
	}
	return err
}

// rehearsal is the record that probes try saves on. Only the keeper uses it.
type rehearsal struct {
	id      ID
	version Version // Absent: nothing stands there
	made    int     // records, each under an ID of its own
}

// How long the record of a probe may stay: long enough for the clock of a store
// that is ahead of this one, and what no clock takes for the future.
const probeLife = time.Hour

var past = time.Unix(1, 0)

// rehearse saves as visitors do: a store that answers all else may refuse it. In
// turn it creates a record and replaces it, and replaces it and ends it. Nobody
// else writes to that record, so that a conflict is a refusal, unless the shard
// has lost it since the last probe.
func (s *shard) rehearse(ctx context.Context) error {
	r := &s.rehearsal
	if r.version != Absent && s.m.shard(r.id) == s.name {
		over := r.version
		r.version = Absent
		v, err := s.try(ctx, r.id, s.m.now().Add(probeLife), over)
		if err == nil {
			_, err = s.try(ctx, r.id, past, v)
		}
		if !errors.Is(err, ErrConflict) {
			return s.judge(ctx, swapping, err)
		}
	}
	id, err := s.probeID()
	if err != nil {
		return err
	}
	v, err := s.try(ctx, id, s.m.now().Add(probeLife), Absent)
	if err = s.judge(ctx, putting, err); err != nil {
		return err
	}
	over := v
	if v, err = s.try(ctx, id, s.m.now().Add(probeLife), over); err != nil {
		_, _ = s.try(ctx, id, past, Any) // or one would stay for each probe
	} else {
		r.id, r.version = id, v
	}
	return s.judge(ctx, swapping, err)
}

func (s *shard) try(ctx context.Context, id ID, expires time.Time, over Version) (Version, error) {
	limited, cancel := context.WithTimeout(ctx, s.m.options.SaveTimeout)
	defer cancel()
	return s.m.store.Save(limited, id, Record{Data: []byte("{}"), Expires: expires}, over)
}

// judge counts a save of a probe.
func (s *shard) judge(ctx context.Context, w work, err error) error {
	if err == nil {
		s.failures(w).Store(0)
		return nil
	}
	what := "create"
	if w == swapping {
		what = "compare-and-set over the version just returned"
	}
	err = fmt.Errorf("session: probe: %s: %w", what, err)
	if ctx.Err() == nil {
		s.unable(ctx, w, err)
	}
	return err
}

// probeID returns an ID in this shard that was never used.
func (s *shard) probeID() (ID, error) {
	for range enough {
		s.rehearsal.made++
		id := ID(recordid.Probe(s.m.instance, s.rehearsal.made))
		if s.m.shard(id) == s.name {
			return id, nil
		}
	}
	return "", fmt.Errorf("session: no ID found in shard %s", s.name)
}

// errNoCanary says that the canary does not stand there and cannot be made.
var errNoCanary = errors.New("session: the shard takes no canary")

// readCanary reads the canary, and makes one where there is none.
func (s *shard) readCanary(ctx context.Context) ([]byte, error) {
	id, err := s.canaryID()
	if err != nil {
		return nil, err
	}
	load := s.m.store.Load
	if f, ok := s.m.store.(FreshLoader); ok {
		load = f.LoadFresh
	}
	for attempt := 1; ; attempt++ {
		r, err := load(ctx, id)
		if errors.Is(err, ErrNotFound) {
			value := make([]byte, canarySize)
			binary.BigEndian.PutUint64(value, uint64(s.m.now().UnixMilli()))
			rand.Read(value[8:])
			r = Record{Data: value, Expires: s.m.now().Add(canaryLife)}
			_, err = s.m.store.Save(ctx, id, r, Absent)
			if errors.Is(err, ErrConflict) && attempt < 3 {
				continue // another instance was first
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errNoCanary, err)
			}
		}
		return r.Data, err
	}
}

// meetCanary tells whether the canary is another one than before, or none any
// more, or whether this process knew none and there is none or a young one. That
// is as good as none: whatever made it found the shard empty.
func (s *shard) meetCanary(value []byte) (another, young bool) {
	s.canary.mu.Lock()
	before := s.canary.value
	s.canary.value = bytes.Clone(value)
	s.canary.mu.Unlock()
	if before != nil {
		return !bytes.Equal(before, value), false
	}
	if len(value) != canarySize {
		return false, true
	}
	born := time.UnixMilli(int64(binary.BigEndian.Uint64(value)))
	return false, s.m.now().Sub(born) <= disbelief
}

const disbelief = 5 * time.Second // as long as package circuit has a shard in quarantine

// forgot says that the shard has lost its memory: all tombstones that are known
// here are published again. known tells whether it had one, as far as this
// process saw. One that is not known is disbelieved all the same, but may be
// new: that alarms nobody.
func (s *shard) forgot(ctx context.Context, known bool) {
	s.breaker.Forgot(s.m.now())
	s.journal.Republish(s.m.without&ring == 0, s.breaker.Owe)
	s.rouse()
	if known && s.m.hooks.Forgot != nil {
		s.m.hooks.Forgot(ctx, s.name)
	}
}

// enough IDs for a shard that has a thousandth of them, many times over.
const enough = 100_000

func canaryIDs(n int) ID { return ID(recordid.Canary(n)) }

// canaryID returns an ID that is in this shard.
func (s *shard) canaryID() (ID, error) {
	c := &s.canary
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != "" && s.m.shard(c.id) == s.name {
		return c.id, nil
	}
	for n := range enough {
		if id := canaryIDs(n); s.m.shard(id) == s.name {
			if c.id != "" {
				c.value = nil // the store's layout has changed
			}
			c.id = id
			return id, nil
		}
	}
	return "", fmt.Errorf("session: no ID found in shard %s", s.name)
}
