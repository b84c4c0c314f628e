package audit_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/state"
)

// An end that is seen again and again is told once, for as long as it is remembered, and the
// memory has a bound.
func TestWhatIsSeenOftenIsToldOnce(t *testing.T) {
	told := map[string]int{}
	l := &audit.Log{Ended: func(_ context.Context, e audit.Ending) { told[e.ID]++ }}
	for n := range 100_000 {
		for range 2 {
			l.Saw(t.Context(), fmt.Sprint("session ", n), state.State{}, audit.Time)
		}
		l.Saw(t.Context(), "regular", state.State{}, audit.Time) // remembered only while it is among the last
	}
	for id, n := range told {
		if id != "regular" && n != 1 {
			t.Fatalf("%s: told %d times, want once", id, n)
		}
	}
	if n := told["regular"]; n < 2 || n > 100_000/2048 {
		t.Errorf("a session that is seen for ever is told %d times, want a few: the memory has a bound", n)
	}
}

// An end that was told is not told again when it is seen.
func TestTheEndOfALineIsToldForEachOfIt(t *testing.T) {
	var told []string
	l := &audit.Log{Ended: func(_ context.Context, e audit.Ending) {
		told = append(told, fmt.Sprint(e.ID, " ", e.By, " ", e.Durability == failover.Pending))
	}}
	live := state.State{Created: 1}
	line := []state.Superseded{{ID: "a"}, {ID: "b"}}
	l.End(t.Context(), "a", live, line, audit.Visitor, failover.Pending)
	l.End(t.Context(), "a", live, line, audit.Administrator, failover.Durable)
	l.Saw(t.Context(), "b", live, audit.Revocation)
	l.End(t.Context(), "c", state.State{}, nil, audit.Visitor, failover.Durable) // there was no session
	if got, want := fmt.Sprint(told), "[a 1 true b 1 true]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestNobodyIsTold(t *testing.T) {
	for _, l := range []*audit.Log{nil, {}} {
		l.Saw(t.Context(), "a", state.State{}, audit.Time)
		l.End(t.Context(), "a", state.State{Created: 1}, nil, audit.Visitor, failover.Durable)
		l.Refuse(t.Context(), "a", "ann")
	}
}
