package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
)

func TestTheEventLogTellsWhatHappened(t *testing.T) {
	type step func(*eventLog)
	counters := func(delivered, restores, lost uint64, waiting, shards int) step {
		return func(l *eventLog) {
			l.watch(session.Stats{
				Restores: restores,
				Journal:  session.JournalStats{States: waiting, Delivered: delivered, Lost: lost},
				Shards:   make([]session.ShardStats, shards),
			})
		}
	}
	down := func(l *eventLog) { l.down("a:1") }
	up := func(l *eventLog) { l.up("a:1") }
	forgot := func(l *eventLog) { l.forgot("a:1") }
	still := func(*eventLog) { time.Sleep(stillness) }
	const away = "The store does not answer; visitors are served from their own cookies."
	for _, c := range []struct {
		name  string
		steps []step
		want  []string // the latest first
	}{
		{"killed and emptied", []step{counters(7, 5, 0, 0, 1), down, counters(7, 5, 0, 3, 1), forgot, up, counters(9, 6, 0, 1, 1), counters(10, 14, 0, 0, 1), still, counters(10, 14, 0, 0, 1)},
			[]string{"3 changes that waited reached the store; 9 sessions came back from visitors’ cookies.", "The store is back, empty.", away}},
		{"a journal that fills again at once", []step{down, counters(0, 0, 0, 1, 1), up, counters(1, 0, 0, 0, 1), still, counters(1, 0, 0, 0, 1), counters(1, 0, 0, 5, 1), still, counters(1, 0, 0, 5, 1)},
			[]string{"1 change that waited reached the store.", "The store is back, with all that it held.", away}},
		{"some of it lost", []step{down, counters(0, 0, 1, 4, 1), up, counters(3, 0, 2, 0, 1), still, counters(3, 0, 2, 0, 1)},
			[]string{"3 changes that waited reached the store; 2 changes could not be delivered.", "The store is back, with all that it held.", away}},
		{"frozen, and nobody came", []step{down, up, counters(0, 0, 0, 0, 1), still, counters(0, 0, 0, 0, 1)},
			[]string{"The store is back, with all that it held.", away}},
		{"away again before it was told", []step{down, counters(0, 0, 0, 2, 1), up, counters(1, 0, 0, 1, 1), down, still, counters(1, 0, 0, 2, 1), up, counters(3, 0, 0, 0, 1), still, counters(3, 0, 0, 0, 1)},
			[]string{"3 changes that waited reached the store.", "The store is back, with all that it held.", away, "The store is back, with all that it held.", away}},
		{"emptied between two requests", []step{forgot, counters(0, 8, 0, 0, 1), still, counters(0, 8, 0, 0, 1)},
			[]string{"8 sessions came back from visitors’ cookies.", "The store was emptied; what visitors carry is put back as they come."}},
		{"away for minutes", []step{down, func(l *eventLog) {
			l.stillDown(session.Outage{Shard: "a:1", Since: time.Date(2026, 1, 1, 14, 3, 5, 0, time.UTC), States: 3, Tombstones: 1})
		}}, []string{"The store has been away since 14:03:05; 3 changes and 1 ended session wait for it.", away}},
		{"one of two parts", []step{counters(0, 0, 0, 0, 2), down}, []string{"The part a:1 of " + strings.ToLower(away[:1]) + away[1:]}},
		{"forged copies", []step{func(l *eventLog) { l.fault(session.BackupForged); l.fault(session.BackupForged) }}, []string{"A copy was tampered with, and not believed."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kicks := 0
				l := newEventLog(true, func() { kicks++ })
				var written []note // the oldest first
				for _, step := range c.steps {
					step(l)
					now := l.read()
					slices.Reverse(now)
					if len(now) < len(written) || !slices.Equal(now[:len(written)], written) {
						t.Fatalf("what was written changed from %v to %v", written, now)
					}
					written = now
				}
				var got []string
				for _, n := range l.read() {
					got = append(got, n.Text)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
				if kicks == 0 {
					t.Error("nobody was told")
				}
			})
		})
	}
}

func TestTheEventLogKeepsTheLatest(t *testing.T) {
	l := newEventLog(false, func() {})
	for i := range 2 * maxNotes {
		l.write(fmt.Sprint(i))
	}
	if got := l.read(); len(got) != maxNotes || got[0].Text != fmt.Sprint(2*maxNotes-1) {
		t.Errorf("got %v, want the last %d", got, maxNotes)
	}
}

func TestTheEventLogTellsOfEvictionsAndOfWhatIsForgottenEarly(t *testing.T) {
	l := newEventLog(true, func() {})
	h := l.hooks(session.LogHooks(slog.New(slog.DiscardHandler)))
	h.Evicted(t.Context(), "a", 7)
	h.Early(t.Context(), 7)
	got := l.read()
	if len(got) != 2 || !strings.Contains(got[0].Text, "remembers") || !strings.HasPrefix(got[1].Text, "The store is full") {
		t.Errorf("got %v", got)
	}
}

func TestEveryBackupFaultHasItsSentence(t *testing.T) {
	said := map[string]bool{}
	for f := session.BackupForged; f <= session.BackupTooLarge; f++ {
		l := newEventLog(true, func() {})
		l.fault(f)
		if n := l.read(); len(n) != 1 || said[n[0].Text] {
			t.Errorf("%v: got %v", f, n)
		} else {
			said[n[0].Text] = true
		}
	}
}
