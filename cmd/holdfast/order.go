package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
)

// openOrder returns the coordinator that the flag --order names, and the order's name
// there. A store that keeps the order is opened by open.
func openOrder(ctx context.Context, flag string, open opener, log *slog.Logger) (coordinator.Coordinator, string, error) {
	if address, name, ok := strings.Cut(flag, "#"); ok && name != "" {
		store, closeStore, err := open(ctx, address, log)
		if err != nil {
			return nil, "", fmt.Errorf("--order: %w", err)
		}
		return coordinator.OnStore(store, closeStore), name, nil
	}
	address, err := coordinator.ParseAddress(flag)
	if err != nil {
		return nil, "", fmt.Errorf("--order: %w", err)
	}
	shared, err := coordinator.Open(address)
	if err != nil {
		return nil, "", fmt.Errorf("--order: %w", err)
	}
	return shared, address.Name, nil
}
