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

// detach keeps the terminal's Ctrl-C from the server. The shop stops the server itself,
// after the delivery of what waits for it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
