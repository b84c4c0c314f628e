package main

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuOf asks the kernel's clock of the process: clock_getcpuclockid(3) makes
// its name of the complement of the process id, and 2 for the time that the
// scheduler counts, in nanoseconds. It is 0 where there is no such process.
func cpuOf(pid int) time.Duration {
	var t syscall.Timespec
	clock := uintptr(^uint32(pid)<<3 | 2)
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
