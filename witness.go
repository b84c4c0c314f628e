package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
)

// witness is what is known of a session without asking the store: the join of
// the bundles that a request carried and of what the journal holds.
type witness struct {
	state.Copy
	found bool

	// excused: a bundle was sealed, not long ago by its own account, with a
	// key that is not known here. A rotation may be under way, and then it is
	// not for this instance to say that there is no session.
	excused bool
	keep    jar.Mask // cookies of such bundles

	ended []state.Superseded // the sessions that this visitor has ended, by the tombstone cookie
}

// BackupFault is what is wrong with a backup.
type BackupFault uint8

// What Hooks.Backup is told.
const (
	BackupForged     BackupFault = iota + 1 // not sealed by the key that it names, or damaged
	BackupMalformed                         // no sealed text at all, or of a format that is not known
	BackupUnknownKey                        // sealed by a key that is not known here
	BackupForeign                           // of another session: swapped, or left from before a login
	BackupAudience                          // of another audience: another application or environment, by its own account
	BackupStale                             // needed, but its lease, the idle timeout or the session's end is over
	BackupIncomplete                        // parts are missing
	BackupPartial                           // made, without the values that do not fit Backup.Copy
	BackupTooLarge                          // not made: not even the names of the values fit
)

func (f BackupFault) String() string {
	names := [...]string{"no fault", "forged", "malformed", "unknown key", "foreign", "another audience", "stale", "incomplete", "partial", "too large"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown fault"
}

// add joins a copy in.
func (w *witness) add(b state.Copy, now time.Time) {
	// Who stamps the time to come vouches for nothing.
	if b.Confirmed > now.Add(state.MaxAhead).UnixMilli() {
		b.Confirmed = 0
	}
	if !w.found {
		w.Copy, w.found = b, true
		return
	}
	w.Copy = w.Join(b)
}

// open reads what a request carried for the session id.
func (m *Manager) open(ctx context.Context, in *requestCookies, id ID) (w witness) {
	now := m.now()
	opened := m.copies.Open(&in.RequestCookies, string(id))
	for _, f := range opened.Faults {
		m.fault(ctx, id, faultOf(f.Kind), f.Err)
		if sealedAt, ok := f.SealedAt(); ok {
			if age := now.Sub(sealedAt); age < m.backup.MaxLease && age > -2*state.MaxAhead {
				w.excused = true
				w.keep |= f.Cookies
			}
		}
	}
	for b := range opened.Copies {
		w.add(b, now)
	}
	return w
}

// faultOf returns what Hooks.Backup is told of a fault in a request's cookies.
func faultOf(kind backup.FaultKind) BackupFault {
	return [...]BackupFault{
		backup.Forged: BackupForged, backup.Malformed: BackupMalformed, backup.UnknownKey: BackupUnknownKey,
		backup.Foreign: BackupForeign, backup.Audience: BackupAudience, backup.Incomplete: BackupIncomplete,
	}[kind]
}

var (
	errExcused = fmt.Errorf("%w: a backup is sealed with a key that is not known here", ErrUnavailable)
	errStale   = errors.New("session: the store has confirmed the backup too long ago")
)

// endings reads the tombstone cookie.
func (m *Manager) endings(ctx context.Context, in *requestCookies) []state.Superseded {
	l, faults := m.copies.OpenEndings(&in.RequestCookies)
	for _, f := range faults {
		m.fault(ctx, "", faultOf(f.Kind), f.Err)
	}
	return slices.DeleteFunc(l, m.forgotten)
}

// forgotten tells whether the tombstone of k is gone everywhere.
func (m *Manager) forgotten(k state.Superseded) bool {
	return m.now().After(k.Dot.Time().Add(m.tombstoneLife()))
}

// vouches tells whether the session may live by this copy alone.
func (m *Manager) vouches(w witness) bool {
	now := m.now()
	return w.found && now.UnixMilli() < w.Confirmed+m.lease().Milliseconds() && !m.expired(w.State, now)
}

// wornOut tells whether the visitor should be given a newer bundle.
func (m *Manager) wornOut(w witness) bool {
	quarter := min(m.backup.Lease, m.options.Idle) / 4
	return !w.found || m.now().UnixMilli() >= w.Confirmed+quarter.Milliseconds()
}

func (m *Manager) fault(ctx context.Context, id ID, f BackupFault, err error) {
	if m.hooks.Backup != nil {
		m.hooks.Backup(ctx, id, f, err)
	}
}
