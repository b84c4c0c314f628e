package streak_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/streak"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestThirdFailureInARowIsNews(t *testing.T) {
	var d streak.Detector
	now := start
	for i, want := range []streak.News{0, 0, streak.Began, 0, 0} {
		now = now.Add(time.Second)
		since, news := d.Fail("a", streak.Load, now)
		wantSince := start.Add(3 * time.Second)
		if i < 2 {
			wantSince = time.Time{}
		}
		if news != want || !since.Equal(wantSince) {
			t.Errorf("failure %d: got %v since %v, want %v since %v", i+1, news, since, want, wantSince)
		}
	}
	if _, news := d.Fail("b", streak.Load, now); news != 0 || d.Failing() != 2 {
		t.Errorf("another shard: got %v, and %d shards fail, want 2", news, d.Failing())
	}
	if since, back := d.Recover("a", streak.Load); !back || !since.Equal(start.Add(3*time.Second)) {
		t.Errorf("recovered: got %v since %v", back, since)
	}
	if since, back := d.Recover("b", streak.Load); back || !since.IsZero() || d.Failing() != 0 {
		t.Errorf("one failure: got %v since %v, and %d shards fail, want no news and 0", back, since, d.Failing())
	}
}

func TestFailuresFarApartAreNotInARow(t *testing.T) {
	for gap, want := range map[time.Duration]streak.News{streak.Reminder: streak.Began, streak.Reminder + 1: 0} {
		var d streak.Detector
		d.Fail("", streak.Put, start)
		d.Fail("", streak.Put, start.Add(gap))
		if _, got := d.Fail("", streak.Put, start.Add(2*gap)); got != want {
			t.Errorf("%v apart: got %v, want %v", gap, got, want)
		}
	}
}

func TestOutageThatLastsIsToldOnceAMinute(t *testing.T) {
	var d streak.Detector
	began := start
	var told []time.Duration
	for at := time.Duration(0); at <= 200*time.Second; at += 5 * time.Second {
		since, news := d.Fail("", streak.Load, start.Add(at))
		switch news {
		case streak.Began:
			began = start.Add(at)
		case streak.Lasts:
			told = append(told, start.Add(at).Sub(began))
		}
		if news != 0 && !since.Equal(began) {
			t.Errorf("at %v: got since %v, want %v", at, since, began)
		}
	}
	if got, want := fmt.Sprint(told), "[1m0s 2m0s 3m0s]"; got != want {
		t.Errorf("told after %s, want %s", got, want)
	}
	// However long nothing fails, the shard stays down until something works.
	if _, news := d.Fail("", streak.Load, start.Add(time.Hour)); news != streak.Lasts {
		t.Errorf("an hour later: got %v, want Lasts", news)
	}
}

func TestEachWorkHasToRecover(t *testing.T) {
	fail, ok := true, false
	type step struct {
		failed bool
		work   streak.Work
	}
	for _, test := range []struct {
		name  string
		steps []step
		back  bool
	}{
		{"the work that failed", []step{{fail, streak.Swap}, {fail, streak.Swap}, {fail, streak.Swap}, {ok, streak.Swap}}, true},
		{"another save", []step{{fail, streak.Swap}, {fail, streak.Swap}, {fail, streak.Swap}, {ok, streak.Put}}, false},
		{"a load, where no load failed", []step{{fail, streak.Swap}, {fail, streak.Swap}, {fail, streak.Swap}, {ok, streak.Load}}, false},
		{"a load, where loads failed too", []step{{fail, streak.Swap}, {fail, streak.Load}, {fail, streak.Put}, {ok, streak.Load}}, true},
		{"a load, where a save failed while loads worked", []step{{fail, streak.Swap}, {ok, streak.Load}, {fail, streak.Load}, {fail, streak.Load}, {ok, streak.Load}}, false},
		{"that save", []step{{fail, streak.Swap}, {ok, streak.Load}, {fail, streak.Load}, {fail, streak.Load}, {ok, streak.Load}, {ok, streak.Swap}}, true},
		{"no more than an answer", []step{{fail, streak.Load}, {fail, streak.Load}, {fail, streak.Load}, {ok, streak.None}}, false},
	} {
		var d streak.Detector
		back := false
		for _, s := range test.steps {
			if s.failed {
				d.Fail("", s.work, start)
			} else {
				_, back = d.Recover("", s.work)
			}
		}
		if back != test.back || (d.Failing() == 0) != test.back {
			t.Errorf("%s: back %v, and %d shards fail; want back %v", test.name, back, d.Failing(), test.back)
		}
	}
}

// outcome is one event in the history of a shard.
type outcome struct {
	failed bool
	work   streak.Work
	at     time.Time
}

// verdict is what a history says of its last event.
type verdict struct {
	since time.Time
	news  streak.News
	back  bool
	sick  bool
}

// judge derives the verdict from the whole history of a shard, with no state but
// sets of works.
func judge(history []outcome) (v verdict) {
	failing := map[streak.Work]bool{}  // since its last success
	unhelped := map[streak.Work]bool{} // of those, by a load that works
	var failures []time.Time           // of the streak
	var told time.Time
	for _, o := range history {
		v = verdict{sick: len(failing) > 0}
		down := len(failures) >= 3
		if !o.failed {
			if len(failing) == 0 {
				continue
			}
			switch {
			case o.work == streak.Load && failing[o.work]:
				for w := range failing {
					if !unhelped[w] {
						delete(failing, w)
					}
				}
			case o.work == streak.Load:
				for w := range failing {
					unhelped[w] = true
				}
			case failing[o.work]:
				delete(failing, o.work)
				delete(unhelped, o.work)
			}
			if v.sick = len(failing) > 0; !v.sick {
				if v.back = down; down {
					v.since = failures[2]
				}
				failures = nil
				clear(unhelped)
			}
			continue
		}
		if n := len(failures); n > 0 && !down && o.at.Sub(failures[n-1]) > time.Minute {
			failures = nil
			clear(failing)
			clear(unhelped)
		}
		failures = append(failures, o.at)
		failing[o.work] = true
		v.sick = true
		switch n := len(failures); {
		case n == 3:
			v.news, told = streak.Began, o.at
		case n > 3 && o.at.Sub(told) >= time.Minute:
			v.news, told = streak.Lasts, o.at
		}
		if len(failures) >= 3 {
			v.since = failures[2]
		}
	}
	return v
}

func TestDetectorAgreesWithItsHistory(t *testing.T) {
	works := []streak.Work{streak.Load, streak.Load, streak.Put, streak.Swap, streak.None}
	gaps := []time.Duration{0, time.Second, 20 * time.Second, time.Minute, time.Minute + 1, time.Hour}
	seen := map[string]int{}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var d streak.Detector
		histories := map[string][]outcome{}
		now := start
		often := r.IntN(10)
		for range 40 {
			shard := string(rune('a' + r.IntN(2)))
			o := outcome{failed: r.IntN(10) < often, work: works[r.IntN(len(works))]}
			if o.failed && o.work == streak.None {
				continue // an operation that fails is of some kind
			}
			if r.IntN(3) == 0 {
				now = now.Add(gaps[r.IntN(len(gaps))])
			}
			o.at = now
			histories[shard] = append(histories[shard], o)
			want := judge(histories[shard])
			var got verdict
			if o.failed {
				got.since, got.news = d.Fail(shard, o.work, now)
			} else {
				got.since, got.back = d.Recover(shard, o.work)
			}
			sick := 0
			for _, h := range histories {
				if judge(h).sick {
					sick++
				}
			}
			got.sick = want.sick
			if got != want || d.Failing() != sick {
				t.Fatalf("seed %d, after %v: got %+v and %d shards, want %+v and %d", seed, histories[shard], got, d.Failing(), want, sick)
			}
			seen[fmt.Sprint(want.news, want.back)]++
		}
	}
	for _, kind := range []string{"0 false", "0 true", "1 false", "2 false"} {
		if seen[kind] < 100 {
			t.Errorf("%d verdicts %q, want more: the model was not tried on them", seen[kind], kind)
		}
	}
}
