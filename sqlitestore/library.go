package sqlitestore

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
)

// libraries are the modules with a SQLite of their own that lock a file for the process,
// as modernc.org/sqlite does.
var libraries = []string{
	"github.com/mattn/go-sqlite3", "github.com/mutecomm/go-sqlcipher", "github.com/mutecomm/go-sqlcipher/v4",
	"crawshaw.io/sqlite", "github.com/tailscale/sqlite", "github.com/bvinc/go-sqlite-lite", "github.com/eatonphil/gosqlite",
}

// libraryOf returns the one of them that is in a program, or "".
func libraryOf(program *debug.BuildInfo) string {
	for _, module := range program.Deps {
		if slices.Contains(libraries, module.Path) {
			return module.Path
		}
	}
	return ""
}

// readBuildInfo is another function in tests.
var readBuildInfo = debug.ReadBuildInfo

// refuseShared returns an error where another SQLite in this process has the file open.
// POSIX locks are the process's: the two do not see each other's, and write the file at
// the same time (section 2.2 of sqlite.org/howtocorrupt.html).
func refuseShared(path string) error {
	program, ok := readBuildInfo()
	if !ok {
		return nil
	}
	library := libraryOf(program)
	if library == "" || !isOpenHere(path) {
		return nil
	}
	return fmt.Errorf("this process has the file open by %s already; two SQLite libraries in one process destroy a file: give the sessions a file of their own", library)
}

// isOpenHere reports whether something else in this process than a Store has the file
// open, where the system tells: on Linux and the like.
func isOpenHere(path string) bool {
	file, err := os.Stat(path)
	if err != nil || stores.have(file) {
		return false
	}
	for _, pattern := range []string{"/proc/self/fd/*", "/dev/fd/*"} {
		descriptors, _ := filepath.Glob(pattern)
		for _, name := range descriptors {
			if info, err := os.Stat(name); err == nil && os.SameFile(info, file) {
				return true
			}
		}
	}
	return false
}

// stores are the files that Stores of this process have opened.
var stores files

type files struct {
	mu  sync.Mutex
	all []os.FileInfo
}

func (f *files) have(file os.FileInfo) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.all, func(other os.FileInfo) bool { return os.SameFile(file, other) })
}

func (f *files) add(file os.FileInfo) {
	if f.have(file) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, file)
}
