package verdict_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/override"
)

var evening = time.Date(2026, 11, 1, 18, 0, 0, 0, time.UTC)

func TestAnObserverVotes(t *testing.T) {
	type seen struct {
		after          time.Duration
		failed         bool
		serving, asked int
		want           verdict.Vote
	}
	good, bad := seen{time.Second, false, 0, 3, ""}, seen{time.Second, true, 0, 3, ""}
	votes := func(s seen, want verdict.Vote) seen { s.want = want; return s }
	after := func(s seen, d time.Duration) seen { s.after = d; return s }
	reported := func(s seen, serving, asked int) seen { s.serving, s.asked = serving, asked; return s }
	for _, tt := range []struct {
		is    string
		story []seen
	}{
		{"good from the start", []seen{votes(good, "abstain"), votes(good, "abstain"), votes(good, "up")}},
		{"one failure is none", []seen{votes(bad, "abstain"), votes(good, "abstain"), votes(bad, "abstain")}},
		{"two in a row are", []seen{votes(bad, "abstain"), votes(bad, "down"), votes(good, "down"), votes(good, "down"), votes(good, "up")}},
		{"a good probe between failures changes nothing", []seen{votes(bad, "abstain"), votes(bad, "down"), votes(good, "down"), votes(good, "down"), votes(bad, "down"), votes(good, "down")}},
		{"a loop that was late", []seen{votes(bad, "abstain"), votes(bad, "down"), votes(after(bad, 4*time.Second), "abstain"), votes(bad, "abstain"), votes(bad, "abstain"), votes(bad, "down")}},
		{"a loop that was a little late", []seen{votes(bad, "abstain"), votes(bad, "down"), votes(after(bad, 3*time.Second), "down")}},
		{"most instances are served", []seen{votes(bad, "abstain"), votes(reported(bad, 2, 3), "abstain"), votes(reported(bad, 1, 3), "down")}},
		{"half of the instances are served", []seen{votes(bad, "abstain"), votes(reported(bad, 2, 4), "down")}},
		{"no instance can say", []seen{votes(bad, "abstain"), votes(reported(bad, 0, 0), "down")}},
	} {
		o, now := verdict.Observer{Every: time.Second}, evening
		for i, s := range tt.story {
			now = now.Add(s.after)
			if got := o.See(verdict.Probed{At: now, Failed: s.failed, Serving: s.serving, Asked: s.asked}); got != s.want {
				t.Errorf("%s: probe %d: got %q, want %q", tt.is, i+1, got, s.want)
			}
		}
	}
}

// A board is told of ballots each second; what counts is who writes new ones.
func TestABoardCountsTheConfiguredObservers(t *testing.T) {
	type votes map[string]verdict.Vote
	for _, tt := range []struct {
		is     string
		living []votes // write each second
		dead   []votes // wrote once
		want   bool
	}{
		{"all of three", []votes{{"a": "down"}, {"a": "down"}, {"a": "down"}}, nil, true},
		{"two of three", []votes{{"a": "down"}, {"a": "down"}, {"a": "up"}}, nil, true},
		{"one of three", []votes{{"a": "down"}, {"a": "up"}, {"a": "up"}}, nil, false},
		{"one of three, and the others have never come", []votes{{"a": "down"}}, nil, false},
		{"one of three, and the others are dead", []votes{{"a": "down"}}, []votes{{"a": "down"}, {"a": "down"}}, false},
		{"one of three, and the others abstain", []votes{{"a": "down"}, {"a": "abstain"}, {"a": "maybe"}}, nil, false},
		{"two of three, and the third is dead", []votes{{"a": "down"}, {"a": "down"}}, []votes{{"a": "up"}}, true},
		{"one of three shards", []votes{{"a": "down", "b": "up", "c": "up"}, {"a": "down", "b": "up", "c": "up"}}, nil, false},
		{"two of three shards", []votes{{"a": "down", "b": "down", "c": "up"}, {"a": "down", "b": "down", "c": "up"}}, nil, true},
		{"one of two shards", []votes{{"a": "down", "b": "up"}, {"a": "down", "b": "up"}}, nil, false},
		{"no votes", nil, nil, false},
	} {
		b := verdict.Board{Observers: 3, Fresh: 3 * time.Second}
		ballots := map[string]verdict.Ballot{}
		for i, v := range tt.dead {
			ballots["dead"+string(rune('0'+i))] = verdict.Ballot{Seq: 7, Votes: v}
		}
		var got verdict.Reading
		for n := range uint64(5) {
			for i, v := range tt.living {
				ballots["living"+string(rune('0'+i))] = verdict.Ballot{Seq: n, Votes: v}
			}
			got = b.Count(evening.Add(time.Duration(n)*time.Second), ballots)
			if got.Ready != (n >= 3) {
				t.Errorf("%s: after %d s: got %+v, want ready: %v", tt.is, n, got, n >= 3)
			}
		}
		// The second ballot is the first that is seen to be new.
		if tt.want && got.For != 3*time.Second {
			t.Errorf("%s: got %+v, want down for 3 s", tt.is, got)
		}
		if got.Down != tt.want {
			t.Errorf("%s: got %+v, want down: %v", tt.is, got, tt.want)
		}
		for i, v := range tt.living {
			ballots["living"+string(rune('0'+i))] = verdict.Ballot{Seq: 60, Votes: v}
		}
		if got = b.Count(evening.Add(time.Minute), ballots); got.Ready || got.Down {
			t.Errorf("%s: a board that was not told for a minute is ready", tt.is)
		}
	}
}

func TestAStateHoldsLongerWithEachFlap(t *testing.T) {
	r := verdict.Defaults
	now := evening
	s := verdict.State{}
	since := -time.Second
	pass := func(d time.Duration, down bool) {
		for range int(d / time.Second) {
			now = now.Add(time.Second)
			if since = since + time.Second; !down {
				since = -time.Second
			}
			s = r.Next(s, verdict.Reading{Down: down, For: max(since, 0), Ready: true}, now)
		}
	}
	for flap, hold := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		pass(5*time.Second, true)
		if s.Down {
			t.Fatalf("flap %d: down before a majority has said so for 5 s", flap)
		}
		pass(time.Second, true)
		if !s.Down || s.Flaps != flap {
			t.Fatalf("flap %d: got %+v, want down", flap, s)
		}
		pass(hold-time.Second, false)
		if !s.Down {
			t.Fatalf("flap %d: up before %v", flap, hold)
		}
		pass(time.Second, false)
		if s.Down {
			t.Fatalf("flap %d: still down after %v", flap, hold)
		}
	}
	pass(r.Memory, false)
	pass(6*time.Second, true)
	if !s.Down || s.Flaps != 0 {
		t.Errorf("after a calm time: got %+v, want down with no flaps", s)
	}
	pass(time.Hour, true)
	pass(time.Second, false)
	if s.Down {
		t.Error("still down though it has been down for longer than the hold")
	}
}

func TestADoubtThatPassesIsForgotten(t *testing.T) {
	b := verdict.Board{Observers: 1, Fresh: 3 * time.Second}
	for n := range uint64(60) {
		vote := verdict.Down
		if n%5 == 4 {
			vote = verdict.Up
		}
		ballots := map[string]verdict.Ballot{"one": {Seq: n, Votes: map[string]verdict.Vote{"a": vote}}}
		if got := b.Count(evening.Add(time.Duration(n)*time.Second), ballots); got.For > 3*time.Second {
			t.Fatalf("after %d s: got %+v, and no majority has ever said so for 4 s", n, got)
		}
	}
}

func TestNothingIsDecidedByABoardThatIsNotReady(t *testing.T) {
	for _, s := range []verdict.State{{}, {Down: true, Since: evening}} {
		says := verdict.Reading{Down: !s.Down, For: time.Hour}
		if got := verdict.Defaults.Next(s, says, evening.Add(time.Hour)); got != s {
			t.Errorf("%+v: got %+v, want no change", s, got)
		}
	}
}

func TestActLeavesWhatIsNotTheMonitors(t *testing.T) {
	mine := func(left time.Duration) *override.Order {
		return &override.Order{Override: session.Override{Mode: session.BackupOnly}, Until: evening.Add(left), By: verdict.By}
	}
	alices := func(mode session.Mode, until time.Time) *override.Order {
		return &override.Order{Override: session.Override{Mode: mode}, Until: until, By: "alice"}
	}
	for _, tt := range []struct {
		is       string
		down     bool
		stands   *override.Order
		readable bool
		want     verdict.Action
	}{
		{"well, and nothing stands", false, nil, true, verdict.Leave},
		{"down, and nothing stands", true, nil, true, verdict.Put},
		{"down, and a fresh order stands", true, mine(31 * time.Second), true, verdict.Leave},
		{"down, and an order ends soon", true, mine(29 * time.Second), true, verdict.Put},
		{"down, and an order has ended", true, mine(0), true, verdict.Put},
		{"well, and an order stands", false, mine(time.Minute), true, verdict.Remove},
		{"well, and an order has ended", false, mine(-time.Minute), true, verdict.Remove},
		{"down, and an operator wants the store", true, alices(session.StoreOnly, time.Time{}), true, verdict.Leave},
		{"down, and an operator wants auto", true, alices(session.Auto, time.Time{}), true, verdict.Leave},
		{"down, and an operator's order stands for a while", true, alices(session.Auto, evening.Add(1)), true, verdict.Leave},
		{"down, and an operator's order has ended", true, alices(session.Auto, evening), true, verdict.Put},
		{"well, and an operator's order stands", false, alices(session.BackupOnly, time.Time{}), true, verdict.Leave},
		{"well, and an operator's order has ended", false, alices(session.BackupOnly, evening), true, verdict.Leave},
		{"down, and nonsense stands", true, nil, false, verdict.Leave},
		{"well, and nonsense stands", false, nil, false, verdict.Leave},
	} {
		if got := verdict.Defaults.Act(verdict.State{Down: tt.down}, tt.stands, tt.readable, evening); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.is, got, tt.want)
		}
	}
	if o := verdict.Defaults.Write(evening); o.Mode != session.BackupOnly || !o.Until.Equal(evening.Add(time.Minute)) || o.By != verdict.By {
		t.Errorf("got the order %+v, want backup only for a minute", o)
	}
}
