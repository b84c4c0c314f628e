package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/holdfast-go/session"
)

// listSaboteurs tell something else than what they hold.
var listSaboteurs = []saboteur{
	{name: "lists what it makes of ids", breaks: []string{
		"a list names every session",
		"a list leaves out who has expired",
		"who is revoked by a list is logged out",
	}, client: badList(func(ids []session.ID) []session.ID {
		for i, id := range ids {
			ids[i] = session.ID(fmt.Sprintf("%x", hash(session.Record{Data: []byte(id)}, 0, 0)))
		}
		return ids
	})},
	{name: "lists a page", breaks: []string{
		"a list names every session",
		"who is revoked by a list is logged out",
	}, client: badList(func(ids []session.ID) []session.ID { return ids[:min(len(ids), 100)] })},
	{name: "lists who has expired", breaks: []string{
		"a list leaves out who has expired",
	}, client: listsWhoHasExpired},
	{name: "ends a list in silence when it is canceled", breaks: []string{
		"a list that breaks off says so",
	}, client: badEnd(func(ctx context.Context, all iter.Seq2[session.ID, error], yield func(session.ID, error) bool) {
		for id, err := range all {
			if ctx.Err() != nil || !yield(id, err) {
				return
			}
		}
	})},
	{name: "goes on with a list after an error", breaks: []string{
		"a list that breaks off says so",
	}, client: badEnd(func(ctx context.Context, all iter.Seq2[session.ID, error], yield func(session.ID, error) bool) {
		for id, err := range all {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(id, err) {
				return
			}
		}
	})},
	{name: "lists nothing when it is away", breaks: []string{
		"a list of a store that is away says so",
	}, client: badEnd(func(ctx context.Context, all iter.Seq2[session.ID, error], yield func(session.ID, error) bool) {
		for id, err := range all {
			if errors.Is(err, errRefused) || !yield(id, err) {
				return
			}
			if err = ctx.Err(); err != nil {
				yield("", err)
				return
			}
		}
	})},
}
