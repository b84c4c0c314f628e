//go:build !linux

package ownport

import (
	"fmt"
	"net"
)

// take finds a port that is free now.
func take() (*Port, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("ownport: %w", err)
	}
	p := &Port{Number: l.Addr().(*net.TCPAddr).Port, release: func() {}}
	return p, l.Close()
}
