package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/holdfast-go/session"
)

// badPin has two shards, of which "a" has the sessions.
func badPin(shards []string, pin func(session.Store, string) (session.Store, error)) flaw {
	return func(s session.Store) session.Store {
		f := &flawed{Store: s, shard: func(session.ID) string { return "a" }, shards: func() []string { return shards }}
		f.pin = func(shard string) (session.Store, error) { return pin(f, shard) }
		f.probe = func(ctx context.Context, shard string) (string, error) {
			if shard != "a" && shard != "b" {
				return "", errors.New("unknown")
			}
			return s.(session.Prober).Probe(ctx, "")
		}
		return f
	}
}

// elsewhere has its records beside those of the store.
func elsewhere(s session.Store) session.Store {
	id := func(id session.ID) session.ID { return "b-" + id[1:] }
	return &flawed{
		Store: s,
		load:  func(ctx context.Context, i session.ID) (session.Record, error) { return s.Load(ctx, id(i)) },
		save: func(ctx context.Context, i session.ID, r session.Record, over session.Version) (session.Version, error) {
			return s.Save(ctx, id(i), r, over)
		},
	}
}

// pins is what a Pinner with the shards "a" and "b" does.
func pins(s session.Store, shard string) (session.Store, error) {
	switch shard {
	case "a":
		return s, nil
	case "b":
		return elsewhere(s), nil
	}
	return nil, errors.New("unknown")
}

// pinSaboteurs put records into other shards than they are told.
var pinSaboteurs = []saboteur{
	{name: "lacks a shard in its list", breaks: []string{
		"every session's shard has a name",
	}, client: badPin([]string{"b"}, pins)},
	{name: "names shards in any order", breaks: []string{
		"every session's shard has a name",
	}, client: badPin([]string{"b", "a"}, pins)},
	{name: "names a shard for each of its addresses", breaks: []string{
		"every session's shard has a name",
		"a pinned record lies in its shard whatever its ID",
	}, client: badPin([]string{"a", "a", "b"}, pins)},
	{name: "asks the server for its shards", breaks: []string{
		"a frozen server's shards are known",
	}, client: func(s session.Store) session.Store {
		f := badPin(nil, pins)(s).(*flawed)
		f.shards = func() []string {
			s.Load(context.Background(), alice)
			return []string{"a", "b"}
		}
		return f
	}},
	{name: "puts pinned records where their IDs belong", breaks: []string{
		"a pinned record lies in its shard whatever its ID",
	}, client: badPin([]string{"a", "b"}, func(s session.Store, shard string) (session.Store, error) {
		if !slices.Contains([]string{"a", "b"}, shard) {
			return nil, errors.New("unknown")
		}
		return s, nil
	})},
	{name: "has pinned records apart from sessions", breaks: []string{
		"a session is found in its shard",
	}, client: badPin([]string{"a", "b"}, func(s session.Store, shard string) (session.Store, error) {
		if shard == "a" {
			return elsewhere(elsewhere(s)), nil
		}
		return pins(s, shard)
	})},
	{name: "pins to any shard", breaks: []string{
		"a shard that is none has no records",
	}, client: badPin([]string{"a", "b"}, func(s session.Store, shard string) (session.Store, error) {
		if shard == "a" {
			return s, nil
		}
		return elsewhere(s), nil
	})},
}
