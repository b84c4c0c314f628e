package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/seal"
)

// leftBy returns a directory with the file of a process that has ended, what it
// owed, and the file.
func leftBy(t *testing.T, sessions int) (dir string, owed map[string]string, path string) {
	t.Helper()
	p := begin(t, t.TempDir(), nil)
	for i := range sessions {
		if i%5 == 4 {
			p.end(journal.Owed(fmt.Sprint("session", i), death(uint64(i+1)<<16)))
		} else {
			p.add(fmt.Sprint("session", i), strings.Repeat("v", i), uint64(i+1)<<16)
		}
	}
	p.settle()
	dir = crashed(t, filepath.Dir(p.Path()))
	return dir, p.owed(), filepath.Join(dir, filepath.Base(p.Path()))
}

func TestATornTailIsCutOff(t *testing.T) {
	_, owed, path := leftBy(t, 5)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n <= len(whole); n += 7 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "0.journal"), whole[:n])
		q := begin(t, dir, nil)
		got := q.takeOver()
		if want := max(0, bytes.Count(whole[:n], []byte("\n"))-1); got != want {
			t.Fatalf("of the first %d bytes %d entries were taken over, want %d", n, got, want)
		}
		q.wantTold()
		for id, said := range q.owed() {
			if said != owed[id] {
				t.Errorf("of the first %d bytes: %s is %s, want %s", n, id, said, owed[id])
			}
		}
		if left := files(t, dir); !slices.Equal(left, []string{q.Path()}) {
			t.Errorf("of the first %d bytes there are %q left", n, left)
		}
		_ = q.Close(context.Background())
	}
}

func TestDamagedLinesAreSkippedAndTold(t *testing.T) {
	_, owed, path := leftBy(t, 12)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		other := bytes.Clone(whole)
		at := random.IntN(len(other))
		other[at] ^= byte(1 + random.IntN(255))
		dir := t.TempDir()
		write(t, filepath.Join(dir, "0.journal"), other)
		q := begin(t, dir, nil)
		q.takeOver()
		got := q.owed()
		lost := len(owed) - len(got)
		inHeader := bytes.Count(whole[:at], []byte("\n")) == 0
		if lost > 2 && !inHeader {
			t.Errorf("byte %d: %d entries are lost", at, lost)
		}
		for id, said := range got {
			if said != owed[id] {
				t.Errorf("byte %d: %s is %s, want %s", at, id, said, owed[id])
			}
		}
		q.mu.Lock()
		told := len(q.told)
		q.mu.Unlock()
		torn := at == len(whole)-1
		if lost > 0 && told == 0 && !torn {
			t.Errorf("byte %d: %d entries are lost and nothing is told", at, lost)
		}
		_ = q.Close(context.Background())
	}
}

func TestADamagedLineIsCounted(t *testing.T) {
	dir, owed, path := leftBy(t, 4)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	lines[2][40] ^= 1
	write(t, path, bytes.Join(lines, nil))
	q := begin(t, dir, nil)
	q.takeOver()
	if got := q.owed(); len(got) != len(owed)-1 {
		t.Errorf("taken over: %v", got)
	}
	q.wantTold(spool.Damaged)
	if st := q.Stats(); st.Damaged != 1 {
		t.Errorf("%d lines are damaged, want one", st.Damaged)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("there are %q left", left)
	}
}

func TestTheFileOfAProcessThatRunsIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	q := begin(t, dir, nil)
	stop := make(chan struct{})
	var taken int
	var scanning sync.WaitGroup
	scanning.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				taken += q.takeOver()
			}
		}
	})
	last := stat(t, p.Path())
	for i, anew := 0, 0; anew < 300; i++ {
		p.RewriteSoon()
		p.add("busy", "value", uint64(i+1)<<16)
		if now := stat(t, p.Path()); !os.SameFile(now, last) {
			last = now
			anew++
		}
	}
	close(stop)
	scanning.Wait()
	if taken > 0 {
		t.Errorf("%d entries of a process that runs were taken over", taken)
	}
	p.wantTold()
	q.wantTold()
}

// TestAFileThatTookTheNameOfAnotherIsNotTakenForIt: the lock of a file that had the
// name a moment ago says nothing about the one that has the name now.
func TestAFileThatTookTheNameOfAnotherIsNotTakenForIt(t *testing.T) {
	for what, c := range map[string]struct {
		meanwhile func(path string) error
		want      bool
	}{
		"nothing happens":  {func(string) error { return nil }, true},
		"it is removed":    {os.Remove, false},
		"another is there": {func(path string) error { return os.Rename(path+".new", path) }, false},
		"it is made anew": {func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600))
		}, false},
	} {
		path := filepath.Join(t.TempDir(), "0.journal")
		write(t, path, nil)
		write(t, path+".new", nil)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.meanwhile(path); err != nil {
			t.Fatal(err)
		}
		got, err := spool.LockAt(f, path)
		if got != c.want || err != nil {
			t.Errorf("%s between the opening and the lock: got %v, %v; want %v", what, got, err, c.want)
		}
		_ = f.Close()
	}
}

func TestProcessesThatStartAtOnceTakeOverEachFileOnce(t *testing.T) {
	for range 10 {
		dir, owed, path := leftBy(t, 10)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "1.journal"), whole)
		write(t, filepath.Join(dir, "2.journal.new"), whole) // that its process did not finish
		var all []*process
		for range 4 {
			all = append(all, begin(t, dir, nil))
		}
		var wg sync.WaitGroup
		taken := make([]int, len(all))
		for i, p := range all {
			wg.Go(func() { taken[i] = p.takeOver() })
		}
		wg.Wait()
		sum, union := 0, map[string]string{}
		for i, p := range all {
			sum += taken[i]
			maps.Copy(union, p.owed())
			p.wantTold()
		}
		if sum != 2*len(owed) || !maps.Equal(union, owed) {
			t.Errorf("%d entries were taken over (%v), want each of %d twice, as there are two files", sum, taken, len(owed))
		}
		if left := files(t, dir); len(left) != len(all) {
			t.Errorf("there are %q left, want the files of %d processes", left, len(all))
		}
		for _, p := range all {
			_ = p.Close(context.Background())
		}
	}
}

func TestLinesOfAnUnknownKeyStayWhereTheyAre(t *testing.T) {
	old, next := testKey, seal.NewKey()
	dir := t.TempDir()
	p := begin(t, dir, nil)
	p.add("old", "value", 1<<16)
	p.settle()
	first, err := os.ReadFile(p.Path())
	if err != nil {
		t.Fatal(err)
	}
	q := begin(t, t.TempDir(), func(o *spool.Options) { o.Keys = keys(t, next) })
	q.add("next", "value", 2<<16)
	second, err := os.ReadFile(q.Path())
	if err != nil {
		t.Fatal(err)
	}
	left := t.TempDir()
	write(t, filepath.Join(left, "0.journal"), append(first, bytes.SplitAfterN(second, []byte("\n"), 2)[1]...))

	knows := func(k ...seal.Key) *process {
		return begin(t, left, func(o *spool.Options) { o.Keys = keys(t, k...) })
	}
	r := knows(old)
	r.takeOver()
	if got := slices.Collect(maps.Keys(r.owed())); !slices.Equal(got, []string{"old"}) {
		t.Errorf("with the old key %q is taken over", got)
	}
	r.wantTold(spool.Unreadable)
	if n := r.takeOver(); n != 0 {
		t.Errorf("%d entries are taken over again", n)
	}
	r.wantTold() // within the minute
	s := knows(next, old)
	s.takeOver()
	if got := slices.Collect(maps.Keys(s.owed())); !slices.Equal(got, []string{"next"}) {
		t.Errorf("with both keys %q is taken over then", got)
	}
	s.wantTold()
	if l := files(t, left); len(l) != 2 {
		t.Errorf("there are %q left, want those of two processes", l)
	}
}

func TestFilesOfOthersStay(t *testing.T) {
	dir, _, path := leftBy(t, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.journal")
	write(t, newer, []byte("session journal 2\nwhatever\n"))
	if err := os.Mkdir(filepath.Join(dir, "folder.journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "notes.txt"), []byte("not ours"))
	q := begin(t, dir, func(o *spool.Options) { o.Audience = "another application" })
	if n := q.takeOver(); n != 0 {
		t.Errorf("%d entries of another application were taken over", n)
	}
	q.wantTold(spool.Unreadable)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the other application's file has changed (%v)", err)
	}
	if l := files(t, dir); len(l) != 5 {
		t.Errorf("there are %q", l)
	}
}

func TestWhatFindsNoRoomStaysInItsFile(t *testing.T) {
	dir, owed, path := leftBy(t, 10)
	q := begin(t, dir, nil)
	n := 0
	q.TakeOver(t.Context(), func(e spool.Entry) bool {
		n++
		return n <= 4 && q.enter(e)
	})
	if got := q.owed(); len(got) != 4 {
		t.Errorf("%d were taken over, want 4", len(got))
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file: %v", err)
	}
	if n := q.takeOver(); n != 6 {
		t.Errorf("%d were taken over the second time, want 6", n)
	}
	if got := q.owed(); !maps.Equal(got, owed) {
		t.Errorf("in the end %v are taken over, want %v", got, owed)
	}
	if l := files(t, dir); len(l) != 1 {
		t.Errorf("there are %q left", l)
	}
}

func TestAFileGoesOnlyWhenTheOwnFileHasWhatIsInIt(t *testing.T) {
	dir, owed, path := leftBy(t, 10)
	q := open(t, dir, nil)
	d := on(q)
	q.start()
	d.set(func(d *disk) { d.room = 0 })
	if n := q.takeOver(); n != 10 {
		t.Errorf("%d entries were taken over", n)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the file: %v", err)
	}
	r := begin(t, dir, nil)
	if n := r.takeOver() + q.takeOver(); n != 0 {
		t.Errorf("%d entries were taken over again", n)
	}
	d.set(func(d *disk) { d.room = -1 })
	q.settle()
	q.takeOver()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is there still: %v", err)
	}
	if got := q.owed(); !maps.Equal(got, owed) {
		t.Errorf("taken over: %v", got)
	}
}

func TestCloseLetsGoOfFilesThatTheOwnFileDoesNotHave(t *testing.T) {
	dir, _, path := leftBy(t, 3)
	q := open(t, dir, nil)
	d := on(q)
	q.start()
	d.set(func(d *disk) { d.room = 0 })
	q.takeOver()
	_ = q.Close(context.Background())
	r := begin(t, dir, nil)
	if n := r.takeOver(); n != 3 {
		t.Errorf("%d entries were taken over after the first process had closed, want 3", n)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is there still: %v", err)
	}
}

func TestRevocationsAreKeptAndEntered(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, nil)
	var set []spool.Revocation
	p.Revocations = func(yield func(spool.Revocation) bool) {
		for _, r := range set {
			if !yield(r) {
				return
			}
		}
	}
	p.start()
	for i := range 1000 {
		r := spool.Revocation{ID: fmt.Sprint("revoked", i), Dot: death(uint64(i+1) << 16).Dot, Reason: 1, Class: 3, Successor: "next", Until: 1 << 40}
		set = append(set, r)
		p.Revoke(r)
		if i == 0 {
			p.poll("it is written although nothing is owed", func() bool { return p.Stats().Bytes > 0 })
		}
	}
	p.add("one", "value", 1<<16)
	collect := func() (got []spool.Revocation) {
		q := begin(t, crashed(t, dir), nil)
		q.TakeOver(t.Context(), func(e spool.Entry) bool {
			if e.Kind == spool.Revoked {
				got = append(got, e.Revocation)
			}
			return true
		})
		return got
	}
	if got := collect(); !reflect.DeepEqual(got, set) {
		t.Errorf("%d revocations were taken over, want %d", len(got), len(set))
	}
	before, err := os.Stat(p.Path())
	if err != nil {
		t.Fatal(err)
	}
	set = set[900:]
	p.RewriteSoon()
	p.add("one", "other", 2<<16)
	p.poll("the file is written anew", func() bool {
		now, err := os.Stat(p.Path())
		return err == nil && !os.SameFile(before, now)
	})
	if got := collect(); !reflect.DeepEqual(got, set) {
		t.Errorf("written anew: %d revocations were taken over, want %d", len(got), len(set))
	}
	p.deliverAll()
	if got := collect(); !reflect.DeepEqual(got, set) {
		t.Errorf("with nothing owed: %d revocations were taken over, want %d", len(got), len(set))
	}
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("Close left %q", left)
	}
}

func TestALineOfANewerProgramStays(t *testing.T) {
	dir := t.TempDir()
	box := seal.Box{Keys: keys(t, testKey), Purpose: spool.Purpose, Audience: "test"}
	for name, change := range map[string]func([]byte){
		"format": func(b []byte) { b[0] = 2 },
		"kind":   func(b []byte) { b[1] = 5 },
	} {
		content := spool.Encode(entries()[0])
		change(content)
		line, err := box.Seal(time.Now(), content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".journal")
		write(t, path, []byte("session journal 1\n"+line+"\n"))
		q := begin(t, dir, nil)
		if n := q.takeOver(); n != 0 {
			t.Errorf("%s: %d entries were taken over", name, n)
		}
		q.wantTold(spool.Unreadable)
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), line) {
			t.Errorf("%s: the line is gone (%v)", name, err)
		}
		_ = q.Close(context.Background())
		_ = os.Remove(path)
	}
}

func TestAFolderIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder.journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	q := begin(t, dir, nil)
	q.takeOver()
	q.wantTold()
}

// slowSource is a journal in which something happens between two looks of the file
// that is written anew.
type slowSource struct {
	*journal.Journal
	ids   func([]string) []string
	after func(id string)
}

func (s *slowSource) UndeliveredIDs() []string { return s.ids(s.Journal.UndeliveredIDs()) }

func (s *slowSource) Undelivered(id string) (journal.Undelivered, bool) {
	u, ok := s.Journal.Undelivered(id)
	s.after(id)
	return u, ok
}

// A session comes to be owed and is delivered while the file is written anew, and the
// new file alone has heard of it.
func TestWhatIsSettledWhileTheFileIsWrittenAnewIsSettledInIt(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, nil)
	anew, happened := false, false
	source := &slowSource{Journal: p.j, ids: func(ids []string) []string {
		anew = true
		return append(ids, "between")
	}}
	source.after = func(id string) {
		switch {
		case !anew || happened:
		case id == "stays":
			if _, err := p.j.Add("", hint("between", "value", 1<<16), true); err != nil {
				t.Error(err)
			}
		case id == "between":
			happened = true
			for _, h := range p.j.Hints("") {
				if h.ID == id {
					p.j.Remove(h, true, p.time())
				}
			}
		}
	}
	p.Patient()
	p.Start(source)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	p.add("stays", "value", 1<<16)
	before := stat(t, p.Path())
	p.RewriteSoon()
	p.add("wakes", "value", 1<<16)
	p.poll("the file is written anew", func() bool { return !os.SameFile(before, stat(t, p.Path())) })
	p.settle()
	q := begin(t, crashed(t, dir), nil)
	q.takeOver()
	if got, want := q.owed(), p.owed(); !maps.Equal(got, want) || len(want) != 2 {
		t.Errorf("the file has %v, want %v", got, want)
	}
}

// Somebody removes the file under the process, as what cleans /tmp does. It is told, and the
// file is written anew.
func TestAFileThatIsRemovedIsWrittenAnew(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	p.add("a", "1", 1)
	if err := os.Remove(p.Path()); err != nil {
		t.Fatal(err)
	}
	p.add("b", "2", 2)
	p.takeOver()
	p.poll("the file to be there again", func() bool {
		_, err := os.Lstat(p.Path())
		return err == nil && p.Stats().Unwritten == 0
	})
	p.add("c", "3", 3)
	p.settle()
	next := begin(t, crashed(t, dir), nil)
	next.takeOver()
	if got, want := next.owed(), p.owed(); !maps.Equal(got, want) || len(got) != 3 {
		t.Errorf("the file owes %v, want %v", got, want)
	}
	p.untilTold(spool.Failing, spool.Recovered)
}
