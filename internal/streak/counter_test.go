package streak_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/streak"
)

func TestFailuresThatGoOnAreToldOnceAMinute(t *testing.T) {
	var c streak.Counter
	told := ""
	for at := time.Duration(0); at <= 150*time.Second; at += time.Second {
		if n, due := c.Add("save", start.Add(at)); due {
			told += fmt.Sprintf("%d at %v; ", n, at)
		}
	}
	if want := "11 at 10s; 60 at 1m10s; 60 at 2m10s; "; told != want {
		t.Errorf("told %s, want %s", told, want)
	}
	if n, due := c.Add("load", start.Add(150*time.Second)); due {
		t.Errorf("the first failure of another operation: told of %d", n)
	}
}

func TestFewFailuresAreNotTold(t *testing.T) {
	for _, test := range []struct {
		name string
		at   []time.Duration
		told int
	}{
		{"two", []time.Duration{0, 20 * time.Second}, 0},
		{"three", []time.Duration{0, 10 * time.Second, 20 * time.Second}, 3},
		{"three within ten seconds", []time.Duration{0, 0, 10*time.Second - 1}, 0},
		{"three within ten seconds and one after", []time.Duration{0, 0, 0, 10 * time.Second}, 4},
		{"a minute apart", []time.Duration{0, time.Minute, 2 * time.Minute}, 3},
		{"further apart", []time.Duration{0, time.Minute + 1, 2*time.Minute + 2}, 0},
	} {
		var c streak.Counter
		told := 0
		for _, at := range test.at {
			n, _ := c.Add("save", start.Add(at))
			told += n
		}
		if told != test.told {
			t.Errorf("%s: told of %d, want %d", test.name, told, test.told)
		}
	}
}

// The model keeps every failure and derives the answer from all of them.
func TestCounterAgreesWithItsHistory(t *testing.T) {
	gaps := []time.Duration{0, time.Second, 4 * time.Second, 30 * time.Second, time.Minute, time.Minute + 1}
	dues := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		var c streak.Counter
		var run []time.Time // of failures none of which is further than a minute from the next
		var told time.Time
		untold := 0 // of run
		now := start
		for range 30 {
			now = now.Add(gaps[r.IntN(len(gaps))])
			if len(run) > 0 && now.Sub(run[len(run)-1]) > time.Minute {
				run = nil
				untold = 0
				told = time.Time{}
			}
			run = append(run, now)
			untold++
			n, due := c.Add("save", now)
			want := untold >= 3 && now.Sub(run[0]) >= 10*time.Second && (told.IsZero() || now.Sub(told) >= time.Minute)
			if due != want || due && n != untold || !due && n != 0 {
				t.Fatalf("seed %d, after %v: got %d, %v, want %d, %v", seed, run, n, due, untold, want)
			}
			if due {
				dues++
				told = now
				untold = 0
			}
		}
	}
	if dues < 100 {
		t.Errorf("told %d times, want more: the model was not tried", dues)
	}
}

func TestShardIsDownUntilEveryReporterHasItBack(t *testing.T) {
	var d streak.Down
	if d.Any() || d.Has("a") {
		t.Error("a shard is down in the empty set")
	}
	d.Add("a")
	d.Add("a")
	d.Add("")
	if !d.Has("a") || !d.Has("") || d.Has("b") || !d.Any() {
		t.Errorf("a: %v, the unnamed: %v, b: %v, any: %v", d.Has("a"), d.Has(""), d.Has("b"), d.Any())
	}
	d.Remove("a")
	d.Remove("")
	if !d.Has("a") || d.Has("") || !d.Any() {
		t.Errorf("after one report each: a: %v, the unnamed: %v", d.Has("a"), d.Has(""))
	}
	d.Remove("a")
	if d.Has("a") || d.Any() {
		t.Error("the shard is still down")
	}
	d.Remove("a") // by a reporter that never had it down
	if d.Add("a"); !d.Has("a") {
		t.Error("a report too many hides an outage")
	}
}
