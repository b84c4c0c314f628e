//go:build unix

package seal

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

var processUser = os.Geteuid

// checkOwner refuses a file of another user, who can write it whatever its mode
// is.
func checkOwner(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	owner, us := int(stat.Uid), processUser()
	if owner == 0 || owner == us {
		return nil
	}
	return fmt.Errorf("user %d owns it, and neither this process's user (%d) nor root; chown %d it", owner, us, us)
}
