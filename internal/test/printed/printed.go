// Package printed keeps what a process, a command or a log prints, for tests that read it
// while it is written.
package printed

import (
	"strings"
	"sync"
)

// Text is what was printed so far. The zero value is empty. It may be used by any number
// of goroutines.
type Text struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends b.
func (t *Text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

// String returns all of the text.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// Lines returns the lines of the text, without their ends.
func (t *Text) Lines() []string {
	return strings.Split(strings.TrimSuffix(t.String(), "\n"), "\n")
}
