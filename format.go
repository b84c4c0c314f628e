package session

import (
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
)

// Format is how another system writes tokens and sessions, so that its programs
// and yours share them: see package node/express. Only this module has formats;
// what the interface names may change.
type Format interface {
	Foreign() foreign.Format
}

// A foreign record lives as long as the store says, since the other program puts
// its expiry off without writing it. Where it has none any more the session has
// ended: the other program leaves no tombstones.

func (m *Manager) foreign() bool { return m.carrier.format != nil }

func (m *Manager) encode(st state) ([]byte, error) {
	if !m.foreign() {
		return st.encode(), nil
	}
	f := foreign.State{
		Created: st.created, Renewed: st.authenticated, LastSeen: st.lastSeen, End: st.end,
		Dead: st.dead(), Death: foreign.Dot{Clock: st.death.dot.clock, Instance: st.death.dot.instance},
		Reason: uint8(st.death.reason), Origin: st.origin,
	}
	for l := st.entries; len(l) > 0; {
		e, rest, _ := l.cut()
		f.Entries = append(f.Entries, foreign.Entry{
			Dot: foreign.Dot{Clock: e.dot.clock, Instance: e.dot.instance}, Flags: uint8(e.flags), Name: string(e.name), Value: e.value,
		})
		l = rest
	}
	data, err := m.carrier.format.Encode(f, m.now())
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return data, nil
}

func (m *Manager) decode(data []byte) (state, error) {
	if !m.foreign() {
		return decodeState(data)
	}
	now := m.now()
	f, err := m.carrier.format.Decode(data, now)
	if err != nil {
		return state{}, err
	}
	if f.Dead {
		return state{death: death{dot{f.Death.Clock, f.Death.Instance}, reason(f.Reason)}}, nil
	}
	known := func(t int64, otherwise time.Time) int64 {
		if t == 0 {
			return otherwise.UnixMilli()
		}
		return t
	}
	st := state{
		created: known(f.Created, now), authenticated: known(f.Renewed, now),
		lastSeen: known(f.LastSeen, now), end: known(f.End, now.Add(century)), origin: f.Origin,
	}
	for _, e := range f.Entries {
		st.entries = entry{
			dot: dot{e.Dot.Clock, e.Dot.Instance}, flags: flags(e.Flags), name: []byte(e.Name), value: e.Value,
		}.append(st.entries)
	}
	return st, st.entries.check()
}
