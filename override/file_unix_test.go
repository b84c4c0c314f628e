//go:build unix

package override_test

import (
	"syscall"
	"testing"
)

func TestAPipeHoldsNobody(t *testing.T) {
	refuses(t, func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file")
}
