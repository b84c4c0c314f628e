// Package host lets a measuring program start the servers that tests start and processes of
// its own, and says on what machine and what code it measured.
package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

// Host is a testing.TB outside of a test: servers of tests can be started on it.
// Their failures are panics, which Recover turns into errors, so servers must be
// started and stopped on the goroutine that Recover is deferred on. The zero value is
// ready for use.
type Host struct {
	testing.TB // for its private method
	cleanups   []func()
}

type failure struct{ error }

// Recover, deferred, stores in err what a server failed with.
func Recover(err *error) {
	r := recover()
	if r == nil {
		return
	}
	f, ok := r.(failure)
	if !ok {
		panic(r)
	}
	*err = f
}

// Helper does nothing.
func (h *Host) Helper() {}

// Cleanup has f run by Close.
func (h *Host) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }

// Logf writes to standard error.
func (h *Host) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Fatal panics; Recover turns that into an error.
func (h *Host) Fatal(args ...any) { panic(failure{errors.New(fmt.Sprint(args...))}) }

// Fatalf panics; Recover turns that into an error.
func (h *Host) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// TempDir returns a new directory, which Close removes.
func (h *Host) TempDir() string {
	dir, err := os.MkdirTemp("", "host")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Close runs what Cleanup was given, the last first.
func (h *Host) Close() {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
	h.cleanups = nil
}
