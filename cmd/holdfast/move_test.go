//go:build unix

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/ownport"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/moving"
	"github.com/rogpeppe/go-internal/testscript"
)

// keep saves a session in a store.
func keep(t *testing.T, s session.Store, n int) {
	t.Helper()
	r := session.Record{Data: []byte("a session of another format"), Expires: time.Now().Add(time.Hour)}
	if _, err := s.Save(t.Context(), session.ID(fmt.Sprintf("%032x", n)), r, session.Absent); err != nil {
		t.Fatal(err)
	}
}

// A store that is away is told at once, and not waited for as a monitor waits.
func TestAMoveDoesNotWaitForAStoreThatIsAway(t *testing.T) {
	nowhere, err := ownport.Take()
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	at := "redis://" + nowhere.Addr()
	for _, args := range []string{
		"move --from " + at + " --to sqlite:" + t.TempDir() + "/none.db --within 1m",
		"override get --order " + at + "#shop/override --within 1m",
	} {
		var said, failed printed.Text
		got := run(t.Context(), strings.Fields(args), &said, &failed)
		if got != 2 || !strings.Contains(failed.String(), "connection refused") || strings.Contains(failed.String(), "yet") {
			t.Errorf("%s: exit status %d, want 2 and that the connection is refused: %s%s", args, got, said.String(), failed.String())
		}
	}
}

// A move is watched from its first session to its last, between stores on real servers.
func TestMove(t *testing.T) {
	for _, pair := range []struct{ from, to string }{
		{"redis", "postgres"}, {"sqlite", "mysql"}, {"postgres", "sqlite"}, {"redis", "memcached"},
	} {
		t.Run(pair.from+" to "+pair.to, func(t *testing.T) {
			t.Parallel()
			from, to := servers[pair.from](t), servers[pair.to](t)
			look := func(want int, words string) {
				t.Helper()
				var said, failed printed.Text
				got := run(t.Context(), []string{"move", "--from", from, "--to", to, "--within", "1m"}, &said, &failed)
				if got != want || !strings.Contains(said.String(), words) {
					t.Errorf("exit status %d, want %d: %s%s", got, want, said.String(), failed.String())
				}
			}
			look(0, ": 0 sessions are left in ")
			old, next := storeAt(t, from), storeAt(t, to)
			for n := range 5 {
				keep(t, old, n)
			}
			look(1, ": 5 sessions are left in "+pair.from)
			mover := moving.New(old, next, moving.Move, nil)
			keep(t, mover, 5) // a new one, which the old store never had
			r, err := mover.Load(t.Context(), session.ID(fmt.Sprintf("%032x", 0)))
			r.Expires = time.Now().Add(time.Hour) // not every store tells
			if err == nil {
				_, err = mover.Save(t.Context(), session.ID(fmt.Sprintf("%032x", 0)), r, r.Version)
			}
			if err != nil {
				t.Fatal(err)
			}
			look(1, ": 4 sessions are left in "+pair.from)
			if _, err := mover.Push(t.Context()); err != nil {
				t.Fatal(err)
			}
			look(0, "Nothing is left")
		})
	}
}

// The output that operators' scripts read.
func TestMoveScripts(t *testing.T) {
	redis, old := servers["redis"](t), servers["sqlite"](t)
	keep(t, storeAt(t, old), 1)
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/move.txtar"},
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			e.Setenv("REDIS", redis)
			e.Setenv("OLD", old)
			e.Setenv("MEMCACHED", servers["memcached"](t))
			return nil
		},
	})
}
