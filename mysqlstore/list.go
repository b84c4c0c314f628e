package mysqlstore

import (
	"context"
	"iter"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/background"
)

const listPage = 1000

// List implements [session.Lister]. It reads a thousand IDs at a time, in their order.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		after := ""
		for {
			page, err := background.Do(ctx, s.calls, func(ctx context.Context) ([]string, error) { return s.page(ctx, after) })
			if err != nil {
				yield("", failure("list", err))
				return
			}
			for _, id := range page {
				if !yield(session.ID(id), nil) {
					return
				}
			}
			if len(page) < listPage {
				return
			}
			after = page[len(page)-1]
		}
	}
}

// page returns the IDs that follow after.
func (s *Store) page(ctx context.Context, after string) (ids []string, err error) {
	rows, err := s.db.QueryContext(ctx, s.text.list, after)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
