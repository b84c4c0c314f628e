package main

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
)

func TestThePanelSaysHowTheStoreIs(t *testing.T) {
	with := func(state session.ShardState) []session.ShardStats { return []session.ShardStats{{State: state}} }
	because := func(cause session.Cause) session.Stats {
		return session.Stats{Shards: []session.ShardStats{{State: session.Serving}, {State: session.Away, Cause: cause}}}
	}
	for _, c := range []struct {
		name   string
		st     session.Stats
		is     condition
		backup bool
		want   string
	}{
		{"all is well", session.Stats{Shards: with(session.Serving)}, running, true, "The store answers. Each visitor’s cookies hold a sealed copy"},
		{"there is no backup", session.Stats{}, running, false, "The store answers. There is no backup"},
		{"nobody has noticed that it is dead", session.Stats{Shards: with(session.Serving)}, dead, true, "The store was killed. The next requests will find out."},
		{"nobody has noticed that it is frozen", session.Stats{}, frozen, false, "The store was frozen. The next requests will find out."},
		{"it is away", session.Stats{Shards: with(session.Away)}, dead, true, "The store does not answer; visitors are served from their own cookies."},
		{"it failed too often in a row", because(session.CauseFailures), dead, true, "The store does not answer; visitors"},
		{"it fails too often", because(session.CauseHalfFailed), running, true, "too slow, or fails too often; visitors are served from their own cookies."},
		{"it saves nothing", session.Stats{Shards: []session.ShardStats{{State: session.Serving}, {State: session.ReadsOnly, Cause: session.CauseSaves}}}, running, true, "can be read, and saves nothing; what visitors change"},
		{"it is away, and another saves nothing", session.Stats{Shards: append(with(session.ReadsOnly), with(session.Away)...)}, running, true, "does not answer"},
		{"the operator has said so", because(session.CauseOverride), running, true, "The operator has the store left alone; visitors"},
		{"one change waits", session.Stats{Shards: with(session.Away), Journal: session.JournalStats{States: 1}}, dead, true, "cookies. 1 change waits for the store."},
		{"changes wait", session.Stats{Shards: with(session.Away), Journal: session.JournalStats{States: 3, Tombstones: 2}}, dead, true, "3 changes wait for the store. 2 ended sessions wait for the store."},
		{"it is away and there is no backup", session.Stats{Failing: true}, dead, false, "asked to come back later"},
		{"it is coming back", session.Stats{Shards: with(session.Returning)}, running, true, "is brought up to date"},
		{"one of two is away", session.Stats{Shards: append(with(session.Serving), with(session.Away)...)}, running, true, "does not answer"},
	} {
		s := newPanel(backend{}, config{noBackup: !c.backup})
		if got, _ := s.inWords(c.st, c.is); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q in it", c.name, got, c.want)
		}
	}
}
