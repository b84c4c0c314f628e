package session_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failover"
)

func TestAShardStateIsAWordInJSON(t *testing.T) {
	for i, want := range []string{"serving", "away", "returning", "reads only"} {
		s := session.ShardState(i)
		if s.String() != want {
			t.Errorf("%d: got %v, want %s", i, s, want)
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
	for i, s := range []session.ShardState{session.Serving, session.Away, session.Returning, session.ReadsOnly} {
		if failover.State(s) != []failover.State{failover.Serving, failover.Away, failover.Returning, failover.ReadsOnly}[i] {
			t.Errorf("%v is another state of a shard in package failover", s)
		}
	}
	unknown := session.ShardState(4)
	if got := unknown.String(); got != "ShardState(4)" {
		t.Errorf("got %q, want ShardState(4)", got)
	}
	if _, err := unknown.MarshalText(); err == nil {
		t.Error("ShardState(4) has a text, want an error")
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
