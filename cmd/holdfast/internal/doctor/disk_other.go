//go:build !linux

package doctor

import "os"

// diskOf knows nothing here.
func diskOf(string) disk { return disk{} }

func sameOwner(_, _ os.FileInfo) bool { return true }
