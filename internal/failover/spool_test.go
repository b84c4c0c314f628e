package failover_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/seal"
)

var fileKey = seal.NewKey()

// withFile gives an instance a file in a directory.
func withFile(t *testing.T, dir string) func(*instance.Instance) {
	return func(i *instance.Instance) {
		keys, err := seal.NewKeys(fileKey)
		if err != nil {
			t.Fatal(err)
		}
		if i.Shards.Spool, err = spool.Open(spool.Options{Dir: dir, Keys: keys, Audience: "test", Limit: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
}

// leave puts the files of a process that still runs into another directory, as if it
// had ended.
func leave(t *testing.T, from, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(from, "*.journal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no file: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fileStory is a story of an instance with a file, in the directory from, and what an
// instance does that begins with what the first one has left.
func fileStory(t *testing.T, name string, do func(w *world, from string, next func(dir string) *world)) {
	from := t.TempDir()
	storyOf(t, name, true, withFile(t, from), func(w *world) {
		do(w, from, func(dir string) *world {
			n := &world{T: w.T}
			n.Instance = instance.New(w.T, w.Store, true, func(i *instance.Instance) {
				i.Shards.Hooks = n.hooks()
				withFile(w.T, dir)(i)
			})
			return n
		})
	})
}

func TestAnInstanceDeliversWhatAnotherHasLeft(t *testing.T) {
	fileStory(t, "when it starts", func(w *world, from string, next func(dir string) *world) {
		w.Store.Set("ended", w.live("x", "1"))
		w.Store.Set("joined", w.live("x", "1"))
		back := w.outage()
		old, _ := w.Store.Get("joined")
		w.hint(w.copyOf("joined", w.write(old, "x", "2")))
		w.hint(w.copyOf("created", w.live("y", "3")))
		w.entomb(journal.Owed("ended", w.death(state.Destroyed)))
		dir := t.TempDir()
		leave(t, from, dir)
		n := next(dir)
		n.wantOwed(2, 1)
		if g, ok := n.Shards.Tombstone("ended"); !ok || !g.Pending {
			t.Errorf("the next instance knows %+v, %v of the session that ended", g, ok)
		}
		back()
		time.Sleep(20 * time.Second)
		n.stored("joined", "x", "2")
		n.stored("created", "y", "3")
		n.wantDead("ended", state.Destroyed)
		n.wantOwed(0, 0)
		ended, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := n.Shards.Close(ended); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
			t.Errorf("Close left %q", left)
		}
	})
	fileStory(t, "within a minute, where it runs already", func(w *world, from string, next func(dir string) *world) {
		dir := t.TempDir()
		n := next(dir)
		back := w.outage()
		w.hint(w.copyOf("created", w.live("y", "3")))
		leave(t, from, dir)
		time.Sleep(time.Minute)
		n.wantOwed(1, 0)
		back()
		time.Sleep(20 * time.Second)
		n.stored("created", "y", "3")
	})
}

func TestWhatIsTakenOverFollowsTheRulesOfTheJournal(t *testing.T) {
	fileStory(t, "what came before a Renew that is known is the successor's", func(w *world, from string, next func(dir string) *world) {
		dir, successor := t.TempDir(), longID("next")
		n := next(dir)
		back := w.outage()
		st := w.write(w.live("x", "1"), "x", "2")
		w.hint(w.copyOf("a", st))
		time.Sleep(time.Second)
		death := n.Clock.Death(state.Renewed).Follow(successor)
		time.Sleep(time.Second)
		w.hint(w.copyOf("a", w.write(st, "z", "1")))
		leave(t, from, dir)
		_ = w.Shards.Close(canceled())
		w.Store.Set(successor, w.live("y", "1"))
		n.entomb(journal.Moved("a", death, successor))
		time.Sleep(time.Minute)
		n.wantOwed(1, 1)
		n.wantLost(1)
		back()
		time.Sleep(20 * time.Second)
		n.stored(successor, "x", "2")
		n.stored(successor, "z", "")
		n.wantOwed(0, 0)
	})
	fileStory(t, "a lease that has run out creates nothing, and is told", func(w *world, from string, next func(dir string) *world) {
		back := w.outage()
		w.hint(w.copyOf("late", w.live("x", "1")))
		dir := t.TempDir()
		leave(t, from, dir)
		_ = w.Shards.Close(canceled()) // it delivers nothing any more
		time.Sleep(instance.Lease)
		n := next(dir)
		back()
		time.Sleep(20 * time.Second)
		n.wantNothing("late")
		dropped := false
		for _, told := range n.heard() {
			dropped = dropped || strings.HasPrefix(told, "dropped late")
		}
		if !dropped {
			t.Error("nobody was told that it is lost")
		}
	})
	fileStory(t, "no hint of a session that the next instance knows to have ended", func(w *world, from string, next func(dir string) *world) {
		dir := t.TempDir()
		n := next(dir)
		w.outage()
		w.hint(w.copyOf("ended", w.live("x", "1")))
		n.entomb(journal.Owed("ended", n.death(state.Destroyed)))
		leave(t, from, dir)
		time.Sleep(time.Minute)
		n.wantOwed(0, 1)
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
			t.Errorf("there are %q, want the file that is in use", left)
		}
	})
	fileStory(t, "a value that was written since stays, and so does an end", func(w *world, from string, next func(dir string) *world) {
		back := w.outage()
		st := w.live("x", "1", "y", "1")
		w.hint(w.copyOf("older", w.write(w.write(st, "x", "2"), "y", "2")))
		w.hint(w.copyOf("ended", w.live("x", "1")))
		dir := t.TempDir()
		leave(t, from, dir)
		_ = w.Shards.Close(canceled()) // it delivers nothing any more
		w.Store.Set("older", w.write(st, "x", "3"))
		w.Store.Set("ended", state.State{Death: w.death(state.Destroyed)})
		n := next(dir)
		n.wantOwed(2, 0)
		back()
		time.Sleep(20 * time.Second)
		n.stored("older", "x", "3")
		n.stored("older", "y", "2")
		n.wantDead("ended", state.Destroyed)
		n.wantOwed(0, 0)
	})
	fileStory(t, "no tombstone of a session that is over by itself", func(w *world, from string, next func(dir string) *world) {
		w.outage()
		w.entomb(journal.Owed("old", w.death(state.Destroyed)))
		dir := t.TempDir()
		leave(t, from, dir)
		time.Sleep(instance.TombstoneLife + time.Second)
		n := next(dir)
		n.wantOwed(0, 0)
		if _, ok := n.Shards.Tombstone("old"); ok {
			t.Error("the tombstone is known still")
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestSettledRevocationsAreEntered(t *testing.T) {
	fileStory(t, "as long as they are needed", func(w *world, from string, next func(dir string) *world) {
		d := w.death(state.Revoked)
		until := time.Now().Add(5 * time.Minute).UnixMilli()
		w.Shards.Spool.Revoke(spool.Revocation{ID: "revoked", Dot: d.Dot, Reason: d.Reason, Until: until})
		w.Shards.Spool.Revoke(spool.Revocation{ID: "over", Dot: d.Dot, Reason: d.Reason, Until: time.Now().UnixMilli()})
		time.Sleep(time.Second)
		dir := t.TempDir()
		leave(t, from, dir)
		n := next(dir)
		if g, ok := n.Shards.Tombstone("revoked"); !ok || g.Pending || g.Death.Dot != d.Dot || g.Death.Reason != state.Revoked {
			t.Errorf("the next instance knows %+v, %v", g, ok)
		}
		if g, ok := n.Shards.Tombstone("over"); ok {
			t.Errorf("the next instance knows %+v", g)
		}
	})
}

// An entry is in the file before the answer leaves.
func TestWhatWasAddedIsInTheFile(t *testing.T) {
	fileStory(t, "at once", func(w *world, from string, _ func(dir string) *world) {
		w.outage()
		lines := func() int {
			dir := t.TempDir()
			leave(t, from, dir)
			files, _ := filepath.Glob(filepath.Join(dir, "*"))
			b, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Count(string(b), "\n")
		}
		w.hint(w.copyOf("a", w.live("x", "1")))
		if n := lines(); n != 2 {
			t.Errorf("with a hint the file has %d lines, want the header and one", n)
		}
		w.entomb(journal.Owed("b", w.death(state.Destroyed)))
		if n := lines(); n != 3 {
			t.Errorf("with a tombstone the file has %d lines, want three", n)
		}
		if f := w.Shards.Stats().File; f.Bytes == 0 || f.Unwritten != 0 {
			t.Errorf("the figures are %+v", f)
		}
	})
}
