package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-go/session"
)

func TestTheDiaryTellsWhatHappened(t *testing.T) {
	type step func(*diary)
	counters := func(restores uint64, waiting, shards int) step {
		return func(d *diary) {
			d.watch(session.State{Restores: restores, Journal: session.JournalState{States: waiting}, Shards: make([]session.ShardState, shards)})
		}
	}
	down := func(d *diary) { d.down("a:1") }
	up := func(d *diary) { d.up("a:1") }
	forgot := func(d *diary) { d.forgot("a:1") }
	for _, c := range []struct {
		name  string
		steps []step
		want  []string // the latest first
	}{
		{"killed and emptied", []step{counters(5, 0, 1), down, counters(5, 3, 1), forgot, up, counters(6, 1, 1), counters(14, 0, 1)},
			[]string{"The store is back, empty; 12 sessions were put back.", "The store does not answer; visitors are served from their own cookies."}},
		{"frozen and thawed", []step{down, counters(0, 2, 1), up, counters(0, 0, 1)},
			[]string{"The store is back; 2 changes were delivered that waited.", "The store does not answer; visitors are served from their own cookies."}},
		{"frozen, and nobody came", []step{down, up}, []string{"The store is back, with all that it held.", "The store does not answer; visitors are served from their own cookies."}},
		{"emptied between two requests", []step{forgot}, []string{"The store was emptied; what visitors carry is put back as they come."}},
		{"one of two parts", []step{counters(0, 0, 2), down}, []string{"The part a:1 of the store does not answer; visitors are served from their own cookies."}},
		{"forged copies", []step{func(d *diary) { d.fault(session.BackupForged); d.fault(session.BackupForged) }}, []string{"A copy was tampered with, and not believed."}},
	} {
		kicks := 0
		d := newDiary(true, func() { kicks++ })
		for _, step := range c.steps {
			step(d)
		}
		var got []string
		for _, n := range d.read() {
			got = append(got, n.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if kicks == 0 {
			t.Errorf("%s: nobody was told", c.name)
		}
	}
	d := newDiary(false, func() {})
	for i := range 2 * maxNotes {
		d.write(fmt.Sprint(i))
	}
	if got := d.read(); len(got) != maxNotes || got[0].Text != fmt.Sprint(2*maxNotes-1) {
		t.Errorf("got %v, want the last %d", got, maxNotes)
	}
}

func TestEveryBackupFaultHasItsSentence(t *testing.T) {
	said := map[string]bool{}
	for f := session.BackupForged; f <= session.BackupTooLarge; f++ {
		d := newDiary(true, func() {})
		d.fault(f)
		if n := d.read(); len(n) != 1 || said[n[0].Text] {
			t.Errorf("%v: got %v", f, n)
		} else {
			said[n[0].Text] = true
		}
	}
}
