package redisstore

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// List implements [session.Lister] with SCAN, a thousand keys of the database
// at a time, on each primary in turn. Redis goes on serving others meanwhile.
// An ID may be yielded twice when Redis resizes its table of keys.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		nodes := s.client.Nodes()
		for _, address := range slices.Sorted(maps.Keys(nodes)) {
			node := nodes[address]
			if len(nodes) > 1 {
				primary, err := s.isPrimary(ctx, node)
				if err != nil {
					yield("", s.failure(ctx, "list", err))
					return
				}
				if !primary {
					continue
				}
			}
			if !s.listNode(ctx, node, yield) {
				return
			}
		}
	}
}

// listNode yields the IDs of one node, and reports whether to go on.
func (s *Store) listNode(ctx context.Context, node rueidis.Client, yield func(session.ID, error) bool) bool {
	pattern := globEscaper.Replace(s.prefix) + "*"
	for cursor := "0"; ; {
		scan := node.B().Arbitrary("SCAN").Args(cursor, "MATCH", pattern, "COUNT", "1000").Build()
		page, err := s.sender.send(ctx, request{client: node, command: scan, read: true}).ToArray()
		var keys []string
		if err == nil && len(page) != 2 {
			err = errAnswer
		}
		if err == nil {
			cursor, err = page[0].ToString()
		}
		if err == nil {
			keys, err = page[1].AsStrSlice()
		}
		if err != nil {
			return yield("", s.failure(ctx, "list", err)) && false
		}
		for _, key := range keys {
			id := strings.TrimPrefix(key, s.prefix)
			if strings.HasPrefix(id, ownRecord) {
				continue
			}
			if !yield(session.ID(id), nil) {
				return false
			}
		}
		if cursor == "0" {
			return true
		}
	}
}

func (s *Store) isPrimary(ctx context.Context, node rueidis.Client) (bool, error) {
	role, err := s.sender.send(ctx, request{client: node, command: node.B().Arbitrary("ROLE").Build(), read: true}).ToArray()
	if err == nil && len(role) == 0 {
		err = errAnswer
	}
	if err != nil {
		return false, err
	}
	kind, err := role[0].ToString()
	return kind == "master", err
}

// globEscaper escapes the characters that have a meaning in SCAN's MATCH.
var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
