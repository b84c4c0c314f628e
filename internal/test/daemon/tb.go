//go:build unix

package daemon

import (
	"fmt"
	"os"
	"slices"
)

// TB is what a server needs of a test: *testing.T, *testing.B, or *Main.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Main is a TB for TestMain, where examples need a server. Its failures panic.
type Main struct{ cleanups []func() }

// Close runs what Cleanup was given, the last first.
func (m *Main) Close() {
	for _, f := range slices.Backward(m.cleanups) {
		f()
	}
}

func (m *Main) Helper()                           {}
func (m *Main) Cleanup(f func())                  { m.cleanups = append(m.cleanups, f) }
func (m *Main) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (m *Main) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (m *Main) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
