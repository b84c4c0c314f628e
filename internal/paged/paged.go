// Package paged lists the IDs of a store that reads them page by page, for the stores in SQL.
package paged

import (
	"database/sql"
	"iter"

	"github.com/holdfast-go/session"
)

// IDs yields the IDs of all pages. page returns those that follow an ID in the store's order, and
// none behind the last one; it begins with the ones that follow the empty string. An error of page
// ends the sequence.
func IDs(page func(after string) ([]string, error)) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		for after := ""; ; {
			ids, err := page(after)
			if err != nil {
				yield("", err)
				return
			}
			if len(ids) == 0 {
				return
			}
			for _, id := range ids {
				if !yield(session.ID(id), nil) {
					return
				}
			}
			after = ids[len(ids)-1]
		}
	}
}

// Scan returns the IDs in rows of one column, and closes rows.
func Scan(rows *sql.Rows) (ids []string, err error) {
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
