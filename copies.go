package session

import (
	"context"
	"slices"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
)

// open reads what a request carried for the session id.
func (m *Manager) open(ctx context.Context, in *requestCookies, id ID) (w lookup.Witness) {
	now := m.now()
	opened := m.copies.Open(&in.RequestCookies, string(id))
	for _, f := range opened.Faults {
		m.fault(ctx, id, faultOf(f.Kind), f.Err)
		if sealedAt, ok := f.SealedAt(); ok {
			if age := now.Sub(sealedAt); age < m.backup.MaxLease && age > -2*state.MaxAhead {
				w.Excused = true
				w.Keep |= f.Cookies
			}
		}
	}
	for b := range opened.Copies {
		w.Add(b, now)
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

// endings reads the tombstone cookie.
func (m *Manager) endings(ctx context.Context, in *requestCookies) []state.Superseded {
	l, faults := m.copies.OpenEndings(&in.RequestCookies)
	for _, f := range faults {
		m.fault(ctx, "", faultOf(f.Kind), f.Err)
	}
	return slices.DeleteFunc(l, m.shards.Forgotten)
}

// wornOut tells whether the visitor should be given a newer bundle.
func (m *Manager) wornOut(w lookup.Witness) bool {
	quarter := min(m.backup.Lease, m.options.Idle) / 4
	return !w.Found || m.now().UnixMilli() >= w.Confirmed+quarter.Milliseconds()
}

func (m *Manager) fault(ctx context.Context, id ID, f BackupFault, err error) {
	if m.hooks.Backup != nil {
		m.hooks.Backup(ctx, id, f, err)
	}
}
