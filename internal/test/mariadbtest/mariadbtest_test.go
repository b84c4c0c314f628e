//go:build unix

package mariadbtest

import (
	"os"
	"path/filepath"
	"testing"
)

// A server removes at its start what it takes for the remains of an earlier one in its
// tmpdir. Tests run beside each other, and those are tables of a query that is under way.
func TestAServerLeavesTheTablesOfOthersAlone(t *testing.T) {
	t.Cleanup(RemoveTemplate)
	shared := t.TempDir()
	t.Setenv("TMPDIR", shared)
	theirs := filepath.Join(shared, "#sql-temptable-1-2-3.MAI")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	Start(t)
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("the table of another server is gone: %v", err)
	}
}
