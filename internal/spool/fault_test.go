package spool_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/spool"
)

func TestAFullDiskIsToldAndLosesOnlyWhatDidNotFit(t *testing.T) {
	for _, uncut := range []bool{false, true} {
		t.Run(fmt.Sprint("what was cut short stays there: ", uncut), func(t *testing.T) {
			dir := t.TempDir()
			p := open(t, dir, nil)
			d := on(p)
			p.start()
			other := strings.TrimSuffix(p.Path(), ".journal") + spool.NewSuffix // full as well
			if err := os.Mkdir(other, 0o700); err != nil {
				t.Fatal(err)
			}
			d.set(func(d *disk) { d.room, d.uncut = 2000, uncut })
			for i := range 20 {
				p.add(fmt.Sprint("session", i), strings.Repeat("v", 100), uint64(i+1)<<16)
			}
			p.wantTold(spool.Failing)
			st := p.Stats()
			if st.Unwritten == 0 || st.Failures == 0 || st.Bytes > 2000 {
				t.Errorf("the figures are %+v", st)
			}
			q := begin(t, crashed(t, dir), nil)
			fitted := q.takeOver()
			if want := 20 - st.Unwritten; fitted != want || fitted < 4 {
				t.Errorf("%d entries fitted, want %d", fitted, want)
			}
			q.wantTold()

			d.set(func(d *disk) { d.room, d.uncut = -1, false })
			p.settle()
			p.untilTold(spool.Recovered)
			want := p.owed()
			r := begin(t, crashed(t, dir), nil)
			r.takeOver()
			if got := r.owed(); !maps.Equal(got, want) {
				t.Errorf("with room again the file has %v\nwant %v", got, want)
			}
		})
	}
}

func TestWhatIsNotOwedAnyMoreDoesNotWaitForRoom(t *testing.T) {
	p := open(t, t.TempDir(), nil)
	d := on(p)
	p.start()
	p.add("fits", "value", 1<<16)
	d.set(func(d *disk) { d.room = 0 })
	p.add("delivered", "value", 1<<16)
	for _, h := range p.j.Hints("") {
		if h.ID == "delivered" {
			p.j.Remove(h, true, p.time())
		}
	}
	if n := p.Stats().Unwritten; n != 0 {
		t.Errorf("%d are not written, want none: the file has never heard of it", n)
	}
	p.deliverAll()
	p.poll("a full disk's file is emptied", func() bool { return p.Stats().Bytes == 0 })
}

func TestAFrozenDiskCostsOneWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.TempDir(), nil)
		d := on(p)
		p.startImpatient()
		thaw := make(chan struct{})
		d.set(func(d *disk) { d.frozen = thaw })
		took := func(id string) time.Duration {
			began := time.Now()
			p.add(id, "value", 1<<16)
			return time.Since(began)
		}
		if got := took("one"); got != spool.MaxWait {
			t.Errorf("the first request waited %v, want %v", got, spool.MaxWait)
		}
		time.Sleep(time.Millisecond)
		for i := range 100 {
			if got := took(fmt.Sprint("other", i)); got != 0 {
				t.Errorf("request %d waited %v, want none: the disk is known to be slow", i, got)
			}
		}
		p.wantTold(spool.Failing)
		if st := p.Stats(); st.Late != 101 || st.Unwritten != 101 {
			t.Errorf("the figures are %+v", st)
		}
		time.Sleep(time.Minute)
		took("minute")
		took("minute2")
		p.wantTold(spool.Failing)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.deliverHints()
		if st := p.Stats(); st.Unwritten != 2 {
			t.Errorf("with nothing owed %d wait for the disk, want the one under way, and that it is settled", st.Unwritten)
		}
		p.add("last", "value", 1<<16)

		close(thaw)
		d.set(func(d *disk) { d.frozen = nil })
		synctest.Wait()
		p.wantTold(spool.Recovered)
		if got := took("well"); got != 0 {
			t.Errorf("a request waited %v on a disk that is well", got)
		}
		q := begin(t, crashed(t, filepathDir(p)), nil)
		q.takeOver()
		if got, want := q.owed(), p.owed(); !maps.Equal(got, want) || len(want) != 2 {
			t.Errorf("the file has %v, want %v", got, want)
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseDoesNotWaitForAFrozenDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.TempDir(), nil)
		d := on(p)
		p.startImpatient()
		thaw := make(chan struct{})
		d.set(func(d *disk) { d.frozen = thaw })
		p.add("one", "value", 1<<16)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.Close(ctx); err == nil {
			t.Error("Close = nil with an entry that is not written")
		}
		close(thaw)
	})
}

func TestCloseSaysThatTheFileLacksSomething(t *testing.T) {
	p := open(t, t.TempDir(), nil)
	d := on(p)
	p.start()
	d.set(func(d *disk) { d.room = 0 })
	p.add("one", "value", 1<<16)
	if err := p.Close(context.Background()); err == nil {
		t.Error("Close = nil with an entry that is not written")
	}
}

func TestSyncGoesThroughToTheDiskBeforeARequestGoesOn(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, func(o *spool.Options) { o.Sync = true })
	d := on(p)
	p.start()
	for i := range 3 {
		p.add("one", "value", uint64(i+1)<<16)
		d.set(func(d *disk) {
			if d.syncs != i+1 {
				t.Errorf("after %d entries there were %d fsyncs", i+1, d.syncs)
			}
		})
	}
	before, err := os.Stat(p.Path())
	if err != nil {
		t.Fatal(err)
	}
	d.set(func(d *disk) { d.unsynced = true })
	p.add("two", "value", 9<<16)
	p.poll("the file is written anew", func() bool {
		now, err := os.Stat(p.Path())
		return err == nil && !os.SameFile(before, now)
	})
	p.settle()
	p.poll("it has everything", func() bool { return len(files(t, dir)) == 1 })
	q := begin(t, crashed(t, dir), nil)
	q.takeOver()
	if got, want := q.owed(), p.owed(); !maps.Equal(got, want) {
		t.Errorf("the file has %v, want %v", got, want)
	}
	if st := p.Stats(); st.Failures != 1 {
		t.Errorf("%d writes failed, want one", st.Failures)
	}

	unsynced := open(t, t.TempDir(), nil)
	d = on(unsynced)
	unsynced.start()
	unsynced.add("one", "value", 1<<16)
	d.set(func(d *disk) {
		if d.syncs != 0 {
			t.Errorf("without Sync there were %d fsyncs", d.syncs)
		}
	})
}

func TestAFileThatCannotBeWrittenAnewGoesOn(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, nil)
	other := strings.TrimSuffix(p.Path(), ".journal") + spool.NewSuffix
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		p.add("busy", "value", uint64(i+1)<<16)
	}
	p.wantTold(spool.Failing)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	q := begin(t, crashed(t, dir), nil)
	q.takeOver()
	if got, want := q.owed(), p.owed(); !maps.Equal(got, want) {
		t.Errorf("the file has %v, want %v", got, want)
	}
}

func TestAFileWithoutRoomForMoreIsToldLikeAFullDisk(t *testing.T) {
	p := begin(t, t.TempDir(), func(o *spool.Options) { o.Limit = 2000 })
	for i := range 20 {
		p.add(fmt.Sprint("session", i), "value", uint64(i+1)<<16)
	}
	p.wantTold(spool.Failing)
	if st := p.Stats(); st.Bytes > 2000 || st.Unwritten == 0 {
		t.Errorf("the figures are %+v", st)
	}
}

// What is written at once fits in part.
func TestOfWhatIsWrittenAtOnceStaysWhatFits(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, nil)
	d := on(p)
	p.start()
	thaw := make(chan struct{})
	d.set(func(d *disk) { d.frozen = thaw })
	add := func(id string) {
		if _, err := p.j.Add("", hint(id, "value", 1<<16), true); err != nil {
			t.Fatal(err)
		}
	}
	add("first")
	p.poll("a write is under way", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.writing > 0
	})
	for i := range 10 {
		add(fmt.Sprint("session", i))
	}
	d.set(func(d *disk) { d.frozen, d.room = nil, 1500 })
	close(thaw)
	p.Wait("session9")
	st := p.Stats()
	if st.Failures == 0 {
		t.Error("everything has fitted")
	}
	q := begin(t, crashed(t, dir), nil)
	if n := q.takeOver(); n != 11-st.Unwritten || n < 3 {
		t.Errorf("%d entries are in the file, want all but the %d that it says it lacks", n, st.Unwritten)
	}
	q.wantTold()
}

func TestALargeBatchIsWrittenWhole(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, nil)
	d := on(p)
	p.start()
	thaw := make(chan struct{})
	d.set(func(d *disk) { d.frozen = thaw })
	for i := range 8 {
		if _, err := p.j.Add("", hint(fmt.Sprint("session", i), strings.Repeat("v", 100<<10), 1<<16), true); err != nil {
			t.Fatal(err)
		}
	}
	d.set(func(d *disk) { d.frozen = nil })
	close(thaw)
	p.settle()
	q := begin(t, crashed(t, dir), nil)
	q.takeOver()
	if got, want := q.owed(), p.owed(); !maps.Equal(got, want) {
		t.Errorf("%d of %d are in the file", len(got), len(want))
	}
}
