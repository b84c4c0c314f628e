package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// loaded is what is known of a session.
type loaded struct {
	phase   phase
	id      ID
	state   state.State
	version Version
	err     error // why it is unknown

	source    Source
	confirmed int64  // when the store was last asked with success, in Unix milliseconds
	saved     uint64 // the store had all entries up to this clock then
	kills     []state.Superseded
	away      time.Time // when the store did not answer, so that the backup did
	repair    bool      // the store lacks some of the state
	restore   bool      // the store lacks all of it
	born      bool      // because it began without the store
	unstored  bool      // and the store has not had it since, as far as its visitor was told
}

// copy is the session as a backup has it.
func (l *loaded) copy() state.Copy {
	return state.Copy{ID: string(l.id), State: l.state, Confirmed: l.confirmed, Saved: l.saved, Supersedes: l.kills, NeverStored: l.unstored, Born: l.born}
}

// inStore reports whether the store has all of the state.
func (l *loaded) inStore() bool {
	return l.away.IsZero() && !l.repair && !l.restore && !l.unstored && l.state.Entries.Latest() <= l.saved
}

type phase uint8

const (
	unasked phase = iota
	nobody        // the visitor has no session; the version is of one that has expired
	live
	dead
	unknown // neither store nor backup can tell
)

// load asks if nobody has yet. What it finds stays for the request.
func (s *Session) load(ctx context.Context) error {
	s.mu.Lock()
	phase, err := s.phase, s.err
	s.mu.Unlock()
	if phase != unasked {
		return err
	}
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	phase, err, fresh := s.phase, s.err, s.fresh
	s.mu.Unlock()
	if phase != unasked {
		return err
	}
	var l loaded
	s.find(ctx, fresh, &l)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = l
	return l.err
}

// find asks for a session of ours, and then for an old one. s.io is held.
func (s *Session) find(ctx context.Context, fresh bool, l *loaded) {
	s.ask(ctx, fresh, l)
	if l.phase == nobody && s.m.options.Adopt != nil {
		s.adopt(ctx, fresh, l)
	}
}

// lockLoaded locks s.mu on a session that has been asked for.
func (s *Session) lockLoaded() {
	s.mu.Lock()
	if s.phase != unasked {
		return
	}
	s.mu.Unlock()
	_ = s.load(s.ctx) // the error stays with the session
	s.mu.Lock()
}

// ask reads the cookies, and asks the store. s.io is held.
func (s *Session) ask(ctx context.Context, fresh bool, l *loaded) {
	if s.m.backup != nil {
		s.askBoth(ctx, fresh, l)
		return
	}
	t, ok := s.m.carrier.receive(s.in)
	if !ok {
		l.phase = nobody
		return
	}
	s.m.fetchAlone(ctx, t.id(), fresh, l)
	s.hold(ctx, t, l)
}

// askBoth is ask for a visitor who may have brought a backup.
func (s *Session) askBoth(ctx context.Context, fresh bool, l *loaded) {
	m, p := s.m, s.parcel
	if p == nil {
		if t, ok := m.carrier.receive(s.in); ok {
			*l = m.fetch(ctx, t.id(), witness{}, fresh)
			s.hold(ctx, t, l)
		} else {
			l.phase = nobody
		}
		return
	}
	p.open(ctx, s)
	if !p.in.ok {
		l.phase = nobody
		return
	}
	s.mu.Lock()
	renewable := !s.readOnly && !s.sealed
	s.mu.Unlock()
	*l = m.fetch(ctx, p.in.token.id(), p.witness, fresh || renewable && m.wornOut(p.witness))
	s.hold(ctx, p.in.token, l)
}

// fetch asks the store, and tells what its answer means beside what the witness
// knows. There are three answers, never two: yes, no, and none. Where the
// request has ended, or the store has answered what this program cannot read,
// there is none, and no copy takes its place.
func (m *Manager) fetch(ctx context.Context, id ID, w witness, fresh bool) loaded {
	if m.backup == nil {
		var l loaded
		m.fetchAlone(ctx, id, fresh, &l)
		return l
	}
	s, storeOnly := m.shardOf(id), m.override().Mode == StoreOnly
	if storeOnly {
		w = witness{}
	}
	if b, ok := s.journal.Copy(string(id)); ok {
		w.add(b, m.now())
	}
	vouched := m.vouches(w) && !storeOnly
	sent := m.now()
	var r stored
	err := m.load(ctx, id, vouched, fresh, &r)
	st, v := r.state, r.version

	// What is known to be dead is dead whatever the store says, and is written
	// again where it said something else.
	if g, ok := s.journal.Tombstone(string(id)); ok {
		missing := errors.Is(err, ErrNotFound) && !g.IfStored
		if missing || err == nil && !st.Dead() {
			g.Again = g.Again || !g.Pending && !g.IfStored // the store had it, and lost it
			g.Pending = true
			_ = s.bury(ctx, g)
		}
		return loaded{phase: dead, id: id, state: state.State{Death: g.Death}, version: v}
	}
	for _, k := range w.ended {
		if ID(k.ID) == id {
			return loaded{phase: dead, id: id, state: state.State{Death: state.Death{Dot: k.Dot, Reason: state.Destroyed}}, version: v}
		}
	}
	answered := err == nil || errors.Is(err, ErrNotFound) && (m.foreign() || !s.quarantined())
	away := !answered && (isAway(err) || errors.Is(err, ErrNotFound))
	switch {
	case err == nil && st.Dead():
		_ = s.bury(ctx, journal.Tombstone{ID: string(id), Death: st.Death})
		return loaded{phase: dead, id: id, state: st, version: v}
	case m.disowned(w, err == nil):
		return m.end(ctx, id, v)
	case err == nil:
		l := m.fetchStore(id, w, r, sent)
		if r.cached && !l.state.Equal(st) {
			return m.fetch(ctx, id, w, true) // it may be the cache that is behind
		}
		return l
	case vouched && (away || answered && (!m.foreign() || w.Born)):
		return m.fetchBackup(ctx, id, w, r, answered)
	}
	if w.found {
		m.fault(ctx, id, BackupStale, errStale)
	}
	switch {
	case !answered && errors.Is(err, ErrNotFound):
		err = errForgetful
	case answered && w.excused:
		err = errExcused
	case answered:
		return loaded{phase: nobody, version: v}
	}
	return loaded{phase: unknown, id: id, err: err}
}

// fetchStore is what a record of the store comes to, beside the backup.
func (m *Manager) fetchStore(id ID, w witness, r stored, sent time.Time) loaded {
	st := r.state
	l := loaded{
		phase: live, id: id, state: st, version: r.version, source: FromStore,
		confirmed: sent.UnixMilli(), saved: st.Entries.Latest(),
	}
	if r.cached {
		l.confirmed = w.Confirmed
	}
	if w.found {
		l.state, l.kills = state.Join(st, m.settled(w.State, w.Saved, st)), state.MarkDurable(w.Supersedes)
		l.repair = !l.state.Equal(st) || l.state.LastSeen-st.LastSeen >= m.options.Refresh.Milliseconds()
		if l.repair {
			l.saved = min(l.saved, w.Saved)
		}
	}
	return l
}

// fetchBackup is what a backup that vouches comes to, where the store has no
// record or, unless it has answered, nobody knows.
func (m *Manager) fetchBackup(ctx context.Context, id ID, w witness, r stored, answered bool) loaded {
	l := loaded{
		phase: live, id: id, state: revive(r, w.State), version: r.version, source: FromBackup,
		confirmed: w.Confirmed, saved: w.Saved, kills: w.Supersedes, repair: true, restore: true,
		born: w.Born, unstored: w.NeverStored,
	}
	if answered && slices.ContainsFunc(l.kills, func(k state.Superseded) bool { return k.Heir && !k.Durable }) {
		// Whether it may live is known when the other one was read.
		more, err := m.inherit(ctx, w.Copy)
		switch {
		case errors.Is(err, ErrEnded):
			return m.end(ctx, id, r.version)
		case isAway(err):
			answered = false
		case err != nil:
			return loaded{phase: unknown, id: id, err: err}
		}
		l.state.Entries = state.JoinEntries(l.state.Entries, more)
	}
	if !answered {
		m.health.degraded.Add(1)
		l.away = m.now()
	}
	return l
}

// revive returns what is known of a session that the store does not have, or
// takes for expired because it lacks its last use.
func revive(r stored, st state.State) state.State {
	if r.version == Absent {
		return st
	}
	return state.Join(r.state, st)
}

// inherit is mayRestore within the bounds of a load.
func (m *Manager) inherit(ctx context.Context, b state.Copy) (state.Entries, error) {
	if !m.restores.Allow(m.now(), m.backup.Restores) {
		return nil, errAway
	}
	return m.mayRestore(ctx, b, true)
}

// end is for a session that has to be dead, because the one that it came from is.
func (m *Manager) end(ctx context.Context, id ID, v Version) loaded {
	tombstone := m.tombstone(state.Revoked)
	_ = m.shardOf(id).bury(ctx, journal.Tombstone{ID: string(id), Death: tombstone.Death, Pending: true})
	return loaded{phase: dead, id: id, state: tombstone, version: v}
}

// fetchAlone is fetch without a backup, into an l that knows nothing yet.
func (m *Manager) fetchAlone(ctx context.Context, id ID, fresh bool, l *loaded) {
	var r stored
	err := m.load(ctx, id, false, fresh, &r)
	if errors.Is(err, ErrNotFound) {
		l.phase, l.version = nobody, r.version
		return
	}
	l.id, l.err = id, err
	if err != nil {
		l.phase = unknown
		return
	}
	l.state = r.state
	l.version = r.version
	switch {
	case l.state.Dead():
		l.phase = dead
	default:
		l.phase, l.source = live, FromStore
		if m.foreign() {
			l.saved = l.state.Entries.Latest()
		}
	}
}

// disowned tells whether the session has its values from one that another hand
// has ended: its own visitor, or anybody where the store does not have it yet.
func (m *Manager) disowned(w witness, stored bool) bool {
	for _, k := range w.Supersedes {
		if !k.Heir || m.without&killLists != 0 {
			continue
		}
		for _, e := range w.ended {
			if e.ID == k.ID && e.Dot != k.Dot && !e.IfLive {
				return true
			}
		}
		if g, ok := m.shardOf(ID(k.ID)).journal.Tombstone(k.ID); ok && !stored && !k.Durable && g.ByOtherWriter(k) {
			return true
		}
	}
	return false
}
