package main

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
)

func TestThePanelSaysHowTheStoreIs(t *testing.T) {
	with := func(state string) []session.ShardState { return []session.ShardState{{State: state}} }
	for _, c := range []struct {
		name   string
		st     session.State
		is     condition
		backup bool
		want   string
	}{
		{"all is well", session.State{Shards: with("serving")}, running, true, "The store answers. Each visitor’s cookies hold a sealed copy"},
		{"there is no backup", session.State{}, running, false, "The store answers. There is no backup"},
		{"nobody has noticed that it is dead", session.State{Shards: with("serving")}, dead, true, "The store was killed. The next requests will find out."},
		{"nobody has noticed that it is frozen", session.State{}, frozen, false, "The store was frozen. The next requests will find out."},
		{"it is away", session.State{Shards: with("away")}, dead, true, "The store does not answer; visitors are served from their own cookies."},
		{"one change waits", session.State{Shards: with("away"), Journal: session.JournalState{States: 1}}, dead, true, "cookies. 1 change waits for the store."},
		{"changes wait", session.State{Shards: with("away"), Journal: session.JournalState{States: 3, Tombstones: 2}}, dead, true, "3 changes wait for the store. 2 ended sessions wait for the store."},
		{"it is away and there is no backup", session.State{Failing: true}, dead, false, "asked to come back later"},
		{"it is coming back", session.State{Shards: with("returning")}, running, true, "is brought up to date"},
		{"one of two is away", session.State{Shards: append(with("serving"), with("away")...)}, running, true, "does not answer"},
	} {
		s := newPanel(backend{}, config{noBackup: !c.backup})
		if got, _ := s.inWords(c.st, c.is); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q in it", c.name, got, c.want)
		}
	}
}
