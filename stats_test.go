package session_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/circuit"
)

func TestAShardStateIsTheBreakersAndAWordInJSON(t *testing.T) {
	for i, want := range []string{"serving", "away", "returning"} {
		s := session.ShardState(i)
		if s.String() != want || circuit.State(s).String() != want {
			t.Errorf("%d: got %v, and the breaker's %v, want %s", i, s, circuit.State(s), want)
		}
		data, err := json.Marshal(session.ShardStats{State: s})
		var got struct{ State string }
		if err == nil {
			err = json.Unmarshal(data, &got)
		}
		if err != nil || got.State != want {
			t.Errorf("%v in JSON: got %s, %v, want %q", s, data, err, want)
		}
		var back session.ShardStats
		if err := json.Unmarshal(data, &back); err != nil || back.State != s {
			t.Errorf("%s: got %v, %v, want %v", data, back.State, err, s)
		}
	}
	unknown := session.ShardState(3)
	if got := unknown.String(); got != "ShardState(3)" {
		t.Errorf("got %q, want ShardState(3)", got)
	}
	if _, err := unknown.MarshalText(); err == nil {
		t.Error("ShardState(3) has a text, want an error")
	}
	s := session.Away
	if err := s.UnmarshalText([]byte("gone")); err == nil || s != session.Away {
		t.Errorf("gone: got %v, %v, want an error and nothing changed", s, err)
	}
}

func TestEachCauseOfTheBreakerHasAName(t *testing.T) {
	causes := []session.Cause{"", session.CauseFailures, session.CauseHalfFailed, session.CauseOverride, session.CauseSaves}
	for c := circuit.Nothing; c <= circuit.SavesFailed; c++ {
		if !slices.Contains(causes, session.Cause(c.String())) {
			t.Errorf("%q has none", c)
		}
	}
}
