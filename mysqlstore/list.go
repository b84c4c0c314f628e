package mysqlstore

import (
	"context"
	"iter"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
	"github.com/holdfast-go/session/internal/paged"
)

// List implements [session.Lister]. It reads a thousand IDs at a time, in their order.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return paged.IDs(func(after string) ([]string, error) {
		page, err := background.Do(ctx, s.calls, func(ctx context.Context) ([]string, error) { return s.page(ctx, after) })
		if err != nil {
			return nil, failure("list", err)
		}
		return page, nil
	})
}

// page returns the IDs that follow after.
func (s *Store) page(ctx context.Context, after string) (ids []string, err error) {
	rows, err := s.db.QueryContext(ctx, s.text.list, after)
	if err != nil {
		return nil, err
	}
	return paged.Scan(rows)
}
