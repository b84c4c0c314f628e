package verdict_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
)

// polls counts a second's ballots, so often, and returns the last reading.
func polls(b *verdict.Board, times int, cast func(n int, now time.Time) map[string]verdict.Ballot) (r verdict.Reading) {
	for n := range times {
		now := evening.Add(time.Duration(n) * time.Second)
		r = b.Count(now, cast(n, now))
	}
	return r
}

func says(n int, v verdict.Vote, shards ...string) verdict.Ballot {
	b := verdict.Ballot{Seq: uint64(n), Votes: map[string]verdict.Vote{}}
	for _, shard := range shards {
		b.Votes[shard] = v
	}
	return b
}

func TestShardsThatOnlyDeadMonitorsKnewDoNotCount(t *testing.T) {
	b := &verdict.Board{Observers: 3, Fresh: 3 * time.Second}
	got := polls(b, 10, func(n int, _ time.Time) map[string]verdict.Ballot {
		return map[string]verdict.Ballot{
			"before":  says(0, verdict.Up, "old-1", "old-2", "old-3"), // of a store that was replaced
			"one":     says(n, verdict.Down, "a"),
			"two":     says(n, verdict.Down, "a"),
			"strange": says(n, verdict.Up, "x", "y", "z"), // with another --store than the others
		}
	})
	if !got.Down || got.For < 5*time.Second {
		t.Errorf("got %+v, want down: two of three say so of the only shard that a majority knows", got)
	}
}

func TestTheLargestConfiguredNumberOfObserversCounts(t *testing.T) {
	for _, tt := range []struct {
		is           string
		mine, others int // that are configured
		down, up     int // votes
		want         bool
		counted      int
	}{
		{"this monitor believes that it is alone", 1, 3, 1, 2, false, 3},
		{"this monitor believes that it is alone, and one other lives", 1, 3, 1, 1, false, 3},
		{"the others believe that they are alone", 3, 1, 1, 2, false, 3},
		{"more live than are configured", 3, 3, 2, 3, false, 5},
		{"all agree", 3, 3, 2, 1, true, 3},
	} {
		b := &verdict.Board{Observers: tt.mine, Fresh: 3 * time.Second}
		got := polls(b, 10, func(n int, _ time.Time) map[string]verdict.Ballot {
			all := map[string]verdict.Ballot{}
			for i := range tt.down + tt.up {
				vote := verdict.Up
				if i < tt.down {
					vote = verdict.Down
				}
				ballot := says(n, vote, "a")
				if ballot.Observers = tt.others; i == 0 {
					ballot.Observers = tt.mine
				}
				all[fmt.Sprint(i)] = ballot
			}
			return all
		})
		if got.Down != tt.want || got.Observers != tt.counted {
			t.Errorf("%s: got %+v, want down %v, of %d", tt.is, got, tt.want, tt.counted)
		}
	}
}

func TestAMonitorWhoseClockDiffersFromMostDecidesNothing(t *testing.T) {
	for _, tt := range []struct {
		is     string
		clocks []time.Duration // of the others, from this one's
		want   bool
	}{
		{"alone", nil, false},
		{"a few seconds", []time.Duration{-4 * time.Second, 4 * time.Second}, false},
		{"one other is wrong", []time.Duration{0, time.Hour}, false},
		{"this one is an hour late", []time.Duration{time.Hour, time.Hour}, true},
		{"this one is an hour early", []time.Duration{-time.Hour, -time.Hour}, true},
		{"one of two, and nobody knows which", []time.Duration{time.Minute}, true},
	} {
		b := &verdict.Board{Observers: 3, Fresh: 3 * time.Second}
		got := polls(b, 10, func(n int, now time.Time) map[string]verdict.Ballot {
			mine := says(n, verdict.Down, "a")
			mine.At = now
			all := map[string]verdict.Ballot{"mine": mine}
			for i, ahead := range tt.clocks {
				other := says(n, verdict.Down, "a")
				other.At = now.Add(ahead)
				all[fmt.Sprint(i)] = other
			}
			return all
		})
		if got.Skewed != tt.want || got.Ready == tt.want {
			t.Errorf("%s: got %+v, want skewed %v and not ready then", tt.is, got, tt.want)
		}
	}
}

// A monitor whose clock was ahead wrote it, and has died.
func TestAStateOfTheFutureDoesNotStandUntilThen(t *testing.T) {
	r := verdict.Defaults
	s := verdict.State{Down: true, Since: evening.Add(24 * time.Hour)}
	now := evening
	for range 40 {
		now = now.Add(time.Second)
		s = r.Next(s, verdict.Reading{Ready: true}, now)
	}
	if s.Down {
		t.Errorf("got %+v 40 s later, want up", s)
	}
}

func TestTheBallotOfAMonitorThatIsGoneIsForgotten(t *testing.T) {
	b := &verdict.Board{Observers: 3, Fresh: 3 * time.Second}
	ballots := func(n int, _ time.Time) map[string]verdict.Ballot {
		return map[string]verdict.Ballot{"dead": says(7, verdict.Up, "a"), "living": says(n, verdict.Up, "a")}
	}
	polls(b, 300, ballots)
	if got := b.Gone(10 * time.Minute); len(got) != 0 {
		t.Errorf("after 5 minutes: got %q, want none", got)
	}
	b = &verdict.Board{Observers: 3, Fresh: 3 * time.Second}
	polls(b, 700, ballots)
	if got := b.Gone(10 * time.Minute); len(got) != 1 || got[0] != "dead" {
		t.Errorf("after 11 minutes: got %q, want the dead one", got)
	}
}
