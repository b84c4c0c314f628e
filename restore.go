package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// mayRestore prepares that b is put into a store that has nothing under its ID:
// the shard must remember what it should, and the sessions that b took the
// place of must be dead. It returns what those held. ErrEnded says that b is
// dead too, ErrUnavailable that it cannot be told. visitor tells whether one
// waits.
func (m *Manager) mayRestore(ctx context.Context, b bundle, visitor bool) (more entries, err error) {
	s := m.shardOf(b.id)
	if err := s.examine(ctx, false); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if s.quarantined() {
		return nil, errForgetful
	}
	if m.without&killLists != 0 {
		return nil, nil
	}
	for _, k := range b.kills {
		if m.forgotten(k) {
			continue
		}
		g := grave{id: k.id, death: death{dot: k.dot, reason: renewed}}
		inherits := k.heir && !k.durable
		if g.gentle = !inherits; inherits {
			g.heir = b.id
		}
		s := m.shardOf(k.id)
		if known, ok := s.journal.buried(k.id); ok && inherits && known.byAnother(k) {
			return nil, ErrEnded
		}
		c := s.anyway(k.id)
		if visitor { // who has not to wait for a shard that is away
			if c, err = m.call(ctx, k.id, true, m.options.ReadTimeout); err != nil && inherits {
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
			more = joinEntries(more, done.entries)
		}
		g.death, g.heir = done.death, "" // it is decided
		if err := s.bury(ctx, g); err != nil {
			return nil, err
		}
	}
	return more, nil
}

var errForgetful = fmt.Errorf("%w: the store has just lost its memory", ErrUnavailable)

// execute makes sure that a session is dead in the store, without overwriting a
// tombstone. It returns the death that stands there, and what an heir takes
// over. ErrEnded says that the heir is dead too.
func (m *Manager) execute(ctx context.Context, c call, g grave) (state, error) {
	for {
		r, err := m.read(ctx, c, true)
		st := r.state
		switch {
		case errors.Is(err, ErrNotFound):
			if g.heir != "" && c.shard.quarantined() {
				return state{}, errForgetful // there may have been a tombstone
			}
		case err != nil && g.heir == "" && r.garbled != Absent:
			r.version = r.garbled // nobody can go on with that either
		case err != nil:
			return state{}, err
		case st.dead() && g.heir != "" && st.death.dot != g.death.dot:
			return state{}, ErrEnded
		case st.dead():
			return st, nil
		}
		if g.heir != "" && len(st.entries) > 0 {
			// What was written to the old session meanwhile is the heir's. It is
			// safe before there is no other place for it.
			m.shardOf(g.heir).owe(ctx, bundle{id: g.heir, state: st.bequeath()})
		}
		_, err = m.put(ctx, c, "deliver", state{death: g.death}, r.version)
		switch {
		case err == nil:
			st.death = g.death
			return st, nil
		case !errors.Is(err, ErrConflict):
			return state{}, err
		case ctx.Err() != nil:
			return state{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

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
	if err == nil && thoroughly && s.unsaved.Load() > 0 {
		if err = s.trySave(ctx); err == nil {
			s.unsaved.Store(0)
		}
	}
	if another := value != nil && s.meetCanary(value); another || restarted {
		s.forgot(ctx)
	}
	return err
}

// trySave saves a record of no meaning beside the canary.
func (s *shard) trySave(ctx context.Context) error {
	id, err := s.canaryID()
	if err != nil {
		return err
	}
	for n := range 1000 {
		if probe := ID("probe-" + strconv.Itoa(n)); s.m.shard(probe) == s.m.shard(id) {
			_, err = s.m.store.Save(ctx, probe, Record{Data: []byte{0}, Expires: s.m.now().Add(time.Minute)}, Any)
			return err
		}
	}
	return nil
}

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
	for {
		r, err := load(ctx, id)
		if errors.Is(err, ErrNotFound) {
			value := make([]byte, canarySize)
			binary.BigEndian.PutUint64(value, uint64(s.m.now().UnixMilli()))
			rand.Read(value[8:])
			r = Record{Data: value, Expires: s.m.now().Add(canaryLife)}
			_, err = s.m.store.Save(ctx, id, r, Absent)
			if errors.Is(err, ErrConflict) {
				continue // another instance was first
			}
		}
		return r.Data, err
	}
}

// meetCanary tells whether the canary is another one than before. One that is
// young is as good as a new one: who made it found the shard empty.
func (s *shard) meetCanary(value []byte) bool {
	s.canary.mu.Lock()
	before := s.canary.value
	s.canary.value = bytes.Clone(value)
	s.canary.mu.Unlock()
	if before != nil {
		return !bytes.Equal(before, value)
	}
	if len(value) != canarySize {
		return true
	}
	born := time.UnixMilli(int64(binary.BigEndian.Uint64(value)))
	return s.m.now().Sub(born) <= disbelief
}

const disbelief = 5 * time.Second // as long as package circuit has a shard in quarantine

// forgot says that the shard has lost its memory: all tombstones that are known
// here are published again.
func (s *shard) forgot(ctx context.Context) {
	s.breaker.Forgot(s.m.now())
	j := &s.journal
	j.mu.Lock()
	for g := range j.known {
		if !g.pending && s.m.without&ring == 0 {
			g.pending = true
			j.unburied++
		}
	}
	if j.unburied > 0 {
		s.breaker.Owe()
	}
	j.mu.Unlock()
	s.rouse()
	if s.m.hooks.Forgot != nil {
		s.m.hooks.Forgot(ctx, s.name)
	}
}

func canaryIDs(n int) ID { return ID("canary-" + strconv.Itoa(n)) }

// canaryID returns an ID that is in this shard.
func (s *shard) canaryID() (ID, error) {
	c := &s.canary
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != "" && s.m.shard(c.id) == s.name {
		return c.id, nil
	}
	const enough = 100_000 // for a shard that has a thousandth of the IDs, many times over
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

// pace bounds how often something is done in a second.
type pace struct {
	mu   sync.Mutex
	left float64
	last time.Time
}

func (p *pace) take(now time.Time, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.IsZero() {
		p.left = float64(most)
	}
	p.left = min(float64(most), p.left+now.Sub(p.last).Seconds()*float64(most))
	p.last = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}
