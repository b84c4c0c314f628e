package sqlitestore

import (
	"context"
	"iter"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/paged"
)

const listPage = 1000

// List implements [session.Lister]. It reads a thousand IDs at a time, in their order.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return paged.IDs(func(after string) ([]string, error) {
		page, err := read(ctx, s, func(ctx context.Context, f *file) ([]string, error) { return f.page(ctx, after) })
		if err != nil {
			return nil, failure("list", err)
		}
		return page, nil
	})
}

// page returns the IDs that follow after.
func (f *file) page(ctx context.Context, after string) (ids []string, err error) {
	rows, err := f.list.QueryContext(ctx, after, time.Now().UnixMilli(), listPage)
	if err != nil {
		return nil, err
	}
	return paged.Scan(rows)
}
