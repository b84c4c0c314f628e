package sqlitestore

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// A program with another SQLite library, whose database is open when the store is opened.
// Both together destroy the file within a second: that was tried with mattn/go-sqlite3.
func TestOpenRefusesAFileThatAnotherLibraryHas(t *testing.T) {
	const library = "github.com/mattn/go-sqlite3"
	readBuildInfo = func() (*debug.BuildInfo, bool) {
		return &debug.BuildInfo{Deps: []*debug.Module{{Path: "modernc.org/sqlite"}, {Path: library}}}, true
	}
	t.Cleanup(func() { readBuildInfo = debug.ReadBuildInfo })
	path := filepath.Join(t.TempDir(), "shop.db")
	open := func(table string) error {
		s, err := Open(t.Context(), path, &Options{Table: table})
		if err == nil {
			t.Cleanup(func() { _ = s.Close() })
		}
		return err
	}

	theirs, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := open("a"); err == nil || !strings.Contains(err.Error(), library) || !strings.Contains(err.Error(), "of their own") {
		t.Errorf("a file that is open: got %v, want an error that names the library and what to do", err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open("a"); err != nil {
		t.Errorf("a file that nobody has open: %v", err)
	}
	if err := open("b"); err != nil {
		t.Errorf("a file that another Store has open: %v", err)
	}
}

func TestAFileMayBeSharedWithTheSameLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	theirs, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() }) // after the store, whose locks that drops
	s, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatalf("a program with modernc.org/sqlite alone: %v", err)
	}
	_ = s.Close()
}
