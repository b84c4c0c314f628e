//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

const (
	canSpawn       = true
	stopSignal     = syscall.SIGSTOP
	continueSignal = syscall.SIGCONT
)

// detach keeps the terminal's Ctrl-C from the server: the shop stops it, once
// it has brought it what it is owed.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
