package session

import (
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/mechanism"
)

// Without returns what New returns, but for a part of the protocol, and with a
// clock that is off by skew.
func Without(store Store, o *Options, skew time.Duration, mechanisms ...string) (*Manager, error) {
	names := map[string]mechanism.Set{
		"hints": mechanism.Hints, "ring": mechanism.Revocations, "pending states": mechanism.PendingStates, "early stamp": mechanism.EarlyStamp,
		"quarantine": mechanism.Quarantine, "kill lists": mechanism.Superseded, "restore by create": mechanism.RestoreByCreate, "overlaps": mechanism.Overlaps, "logs": mechanism.Logs, "users": mechanism.Users,
		"user logs": mechanism.UserLogs, "every shard": mechanism.EveryShard, "login copies": mechanism.LoginCopies, "login loads": mechanism.LoginLoads, "ahead": mechanism.Ahead, "stay copies": mechanism.StayCopies,
	}
	return newManager(store, o, func(m *Manager) {
		m.clock.Skew = skew
		for _, name := range mechanisms {
			if names[name] == 0 {
				panic("no mechanism " + name)
			}
			m.without |= names[name]
		}
	})
}

// RecentBytes is how much the copies take up that are kept.
func (m *Manager) RecentBytes() int { return m.copies.Cookies.CachedBytes() }

// Opens is how many copies this instance has opened.
func (m *Manager) Opens() uint64 { return m.copies.Cookies.Opens() }

// AudienceOf is the audience of what an application seals for a cookie.
func AudienceOf(application string, c Cookie) string {
	return backup.AudienceOf(application, c.Name, c.Domain, c.Path)
}

// VisitsUnderWay is how many sessions have an answer on its way.
func (m *Manager) VisitsUnderWay() int { return m.copies.Slots.Len() }

// Journaled is how many copies of sessions the journal holds.
func (m *Manager) Journaled() int {
	n := m.shards.Stats().Journal
	return n.States + n.Reading
}

// InUse is how many sessions requests use now.
func (m *Manager) InUse() int { return m.inUse.Len() }

// Waiting is how many wait for the end of a session of m.
func Waiting(m *Manager) int { return m.shards.Waiting.Len() }
