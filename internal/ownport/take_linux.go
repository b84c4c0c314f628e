package ownport

import (
	"fmt"
	"os"
	"syscall"
)

// take binds a socket that never listens. Both sockets have SO_REUSEADDR, so a server may bind to
// the number of its port; where the kernel chooses a port itself, it chooses none that is bound.
func take() (*Port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("ownport: socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "port")
	number, err := bind(fd)
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("ownport: %w", err)
	}
	return &Port{Number: number, release: func() { _ = socket.Close() }}, nil
}

// bind binds a socket to a port that the kernel chooses.
func bind(fd int) (number int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, fmt.Errorf("setsockopt: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("bind: %w", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("getsockname: %w", err)
	}
	return name.(*syscall.SockaddrInet4).Port, nil
}
