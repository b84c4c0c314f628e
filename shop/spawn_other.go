//go:build !unix

package main

import (
	"os/exec"
	"syscall"
)

const (
	canSpawn       = false
	stopSignal     = syscall.SIGTERM // never sent
	continueSignal = syscall.SIGTERM
)

func detach(*exec.Cmd) {}
