package doctor

import (
	"os"
	"syscall"
)

// networks has the file systems of other machines, by their numbers in statfs(2). A FUSE file
// system may be local, but shared memory and locks are not reliable on it either.
var networks = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xfe534d42: "SMB", 0xff534d42: "CIFS", 0x01021997: "9p", 0x5346414f: "AFS", 0x00c36400: "Ceph",
	0x47504653: "GPFS", 0x0bd00bd0: "Lustre", 0x65735546: "FUSE", 0x786f4256: "a shared folder of VirtualBox",
}

const (
	tmpfs = 0x01021994
	ramfs = 0x858458f6
)

func diskOf(path string) disk {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return disk{}
	}
	return diskAs(uint32(s.Type), uint64(s.Bsize), s.Bavail, s.Blocks)
}

// diskAs returns the disk that the numbers of statfs describe.
func diskAs(kind uint32, block, free, total uint64) disk {
	return disk{network: networks[kind], memory: kind == tmpfs || kind == ramfs, free: block * free, total: block * total}
}

func sameOwner(a, b os.FileInfo) bool {
	one, ok1 := a.Sys().(*syscall.Stat_t)
	other, ok2 := b.Sys().(*syscall.Stat_t)
	return !ok1 || !ok2 || one.Uid == other.Uid
}
