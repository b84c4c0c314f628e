//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package spool

import (
	"errors"
	"os"
	"runtime"
)

// lock fails. Without a lock that ends with its process, no process can tell a file
// that is in use from one that was left.
func lock(*os.File) (bool, error) {
	return false, errors.New("files are not locked on " + runtime.GOOS + ", and a file that is in use cannot be told from one that was left")
}
