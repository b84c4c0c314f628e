package session

import (
	"testing"

	"github.com/holdfast-go/session/internal/backup"
)

// The Manager converts the one into the other.
func TestTheFaultsOfTheHookAreThoseOfCopies(t *testing.T) {
	for kind, want := range map[backup.FaultKind]BackupFault{
		backup.Forged: BackupForged, backup.Malformed: BackupMalformed, backup.UnknownKey: BackupUnknownKey,
		backup.Foreign: BackupForeign, backup.Audience: BackupAudience, backup.Stale: BackupStale,
		backup.Incomplete: BackupIncomplete, backup.Partial: BackupPartial, backup.TooLarge: BackupTooLarge,
	} {
		if got := BackupFault(kind); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
