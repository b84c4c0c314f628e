package spool_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/spool"
)

func TestWhatIsOwedOutlivesItsProcess(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	p.add("one", "first", 1<<16)
	p.add("one", "second", 2<<16)
	p.add("two", "other", 3<<16)
	p.end(journal.Moved("three", death(4<<16), "four"))
	p.add("gone", "value", 5<<16)
	p.end(journal.Owed("gone", death(6<<16)))
	want := p.owed()
	if len(want) != 4 {
		t.Fatalf("the journal owes %v", want)
	}

	q := begin(t, crashed(t, dir), nil)
	if n := q.takeOver(); n != 4 {
		t.Errorf("%d entries were taken over, want 4", n)
	}
	if got := q.owed(); !maps.Equal(got, want) {
		t.Errorf("taken over: %v\nwant %v", got, want)
	}
	q.wantTold()
}

func TestWhatWasDeliveredIsNotTakenOver(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	p.add("stays", "value", 1<<16)
	p.add("delivered", "value", 1<<16)
	p.end(journal.Owed("arrived", death(4<<16)))
	for _, h := range p.j.Hints("") {
		p.j.Remove(h, h.ID == "delivered", p.time())
		if h.ID == "stays" {
			p.add("stays", "again", 9<<16)
		}
	}
	for _, g := range p.j.PendingTombstones("") {
		p.j.Arrived(g, g.Death, p.time())
	}
	p.settle()

	q := begin(t, crashed(t, dir), nil)
	q.takeOver()
	if got := q.owed(); len(got) != 1 || got["stays"] == "" {
		t.Errorf("taken over: %v, want what stays", got)
	}
}

func TestAFileIsEmptyWhereNothingIsOwedAndGoneAfterClose(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	p.add("one", "value", 1<<16)
	if info, err := os.Stat(p.Path()); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Fatalf("the file is %v, %v", info, err)
	}
	p.deliverAll()
	p.poll("the file is empty", func() bool {
		info, err := os.Stat(p.Path())
		return err == nil && info.Size() == 0 && p.Stats().Bytes == 0
	})
	p.add("two", "value", 2<<16)
	p.deliverAll()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("Close left %q", left)
	}
	p.add("late", "value", 3<<16) // it is not written, and nobody waits for it
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestCloseLeavesWhatIsOwedToTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	p.add("one", "value", 1<<16)
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	q := begin(t, dir, nil)
	q.takeOver()
	if got := q.owed(); got["one"] == "" {
		t.Errorf("taken over: %v", got)
	}
	if left := files(t, dir); len(left) != 1 || left[0] != q.Path() {
		t.Errorf("there are %q, want the one of the process that runs", left)
	}
}

func TestADirectoryThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/file", nil)
	for _, bad := range []string{dir + "/missing", dir + "/file"} {
		if err := spool.Check(bad, false); err == nil {
			t.Errorf("Check(%q) = nil", bad)
		}
		if _, err := spool.Open(spool.Options{Dir: bad}); err == nil {
			t.Errorf("Open(%q) = nil", bad)
		}
	}
	if err := spool.Check(dir, true); err != nil {
		t.Error(err)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("Check left %q", left)
	}
}

// TestWhateverHappensTheFileHasWhatWasWaitedFor lets a process end at any moment, in
// the middle of writing its file anew too.
func TestWhateverHappensTheFileHasWhatWasWaitedFor(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	rewritten := 0
	for seed := range seeds {
		random := rand.New(rand.NewPCG(3, seed))
		dir := t.TempDir()
		p := begin(t, dir, nil)
		held, err := os.Open(p.Path()) // so that no later file gets its number
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		for i := range 1500 {
			id := fmt.Sprint("session", random.IntN(40))
			clock := uint64(i+1) << 16
			switch dice := random.IntN(100); {
			case dice < 70:
				if _, ended := p.j.Tombstone(id); !ended {
					p.add(id, strings.Repeat("v", random.IntN(600)), clock)
				}
			case dice < 80:
				p.end(journal.Owed(id, death(clock)))
			case dice < 85:
				for _, h := range p.j.Hints("") {
					p.j.Remove(h, true, p.time())
				}
			case dice < 90:
				for _, g := range p.j.PendingTombstones("") {
					p.j.Arrived(g, g.Death, p.time())
				}
				p.j.Expire(p.time(), p.time(), p.time())
			case dice < 92:
				p.RewriteSoon()
			case dice < 94 && i > 100:
				want := p.owed()
				q := begin(t, crashed(t, dir), nil)
				q.takeOver()
				got := q.owed()
				for id, w := range want {
					if got[id] != w {
						t.Fatalf("seed %d, step %d: of %s is taken over %q, want %q", seed, i, id, got[id], w)
					}
				}
				q.wantTold()
				_ = q.Close(context.Background())
			}
		}
		p.settle()
		want := p.owed()
		q := begin(t, crashed(t, dir), nil)
		q.takeOver()
		if got := q.owed(); !maps.Equal(got, want) {
			t.Errorf("seed %d: in the end is taken over %v\nwant %v", seed, got, want)
		}
		first, err := held.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(first, stat(t, p.Path())) {
			rewritten++
		}
		p.wantTold()
	}
	if rewritten == 0 {
		t.Error("no file was written anew")
	}
}

func TestAFileStaysWithinItsBound(t *testing.T) {
	const limit, sessions = 200 << 10, 250
	p := begin(t, t.TempDir(), func(o *spool.Options) { o.Limit = limit })
	for i := range 8 * sessions { // some 100 KB are owed, so that half of the file is never settled
		p.add(fmt.Sprint("session", i%sessions), strings.Repeat("v", 100+i%100), uint64(i+1)<<16)
		if info, err := os.Stat(p.Path()); err != nil || info.Size() > limit {
			t.Fatalf("after %d writes: %v, %v; the bound is %d", i, info.Size(), err, limit)
		}
	}
	p.wantTold()
}

func TestAFileIsWrittenAnewWhenMostOfItIsSettled(t *testing.T) {
	p := begin(t, t.TempDir(), nil)
	most := int64(0)
	for i := range 2000 {
		p.add("busy", "value", uint64(i+1)<<16)
		most = max(most, p.Stats().Bytes)
	}
	b, err := os.ReadFile(p.Path())
	if err != nil || !strings.HasPrefix(string(b), "session journal 1\n") {
		t.Errorf("the file that was written anew begins with %.20q, %v", b, err)
	}
	if most < spool.Smallest || most > spool.Smallest+4096 {
		t.Errorf("the file took up %d bytes at most, want about %d", most, spool.Smallest)
	}
}
