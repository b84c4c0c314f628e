package pgstore

import (
	"context"
	"iter"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/paged"
	"github.com/jackc/pgx/v5"
)

// List implements [session.Lister], a thousand sessions at a time in the order of their
// IDs. An ID comes once.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return paged.IDs(func(after string) ([]string, error) {
		return do(ctx, s, "list", func(ctx context.Context) (ids []string, err error) {
			err = s.read(ctx, func() error {
				rows, err := s.pool.Query(ctx, s.sql.list, after)
				if err == nil {
					ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
				}
				return err
			})
			return ids, err
		})
	})
}
