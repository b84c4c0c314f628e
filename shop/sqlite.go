package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/holdfast-go/session/sqlitestore"
)

const sqliteScheme = "sqlite:"

// openSQLite opens a file, which it makes where there is none.
func openSQLite(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	b := backend{name: address}
	store, err := sqlitestore.Open(ctx, strings.TrimPrefix(address, sqliteScheme), nil)
	if err != nil {
		return b, err
	}
	b.store = store
	b.close = func() {
		if err := store.Close(); err != nil {
			log.WarnContext(ctx, "the store was not closed", "error", err)
		}
	}
	return b, nil
}
