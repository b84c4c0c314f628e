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
	dead := state.State{Created: 1, Death: state.Death{Reason: state.Destroyed}}
	l.End(t.Context(), "d", dead, nil, audit.Visitor, failover.Durable) // it had ended before
	if got, want := fmt.Sprint(told), "[a 1 true b 1 true]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// Whose session could not be read is not known. It has ended all the same, unless its ID may be
// made up.
func TestTheEndOfWhatWasNotReadIsTold(t *testing.T) {
	var told []string
	l := &audit.Log{Ended: func(_ context.Context, e audit.Ending) { told = append(told, fmt.Sprint(e.ID, " ", e.User, e.By)) }}
	l.EndUnread(t.Context(), "b", []state.Superseded{{ID: "a"}, {ID: "b"}, {ID: "c"}}, audit.Administrator, failover.Pending)
	l.EndUnread(t.Context(), "d", []state.Superseded{{ID: "d", IfStored: true}}, audit.Visitor, failover.Pending)
	l.EndUnread(t.Context(), "e", nil, audit.Administrator, failover.Durable)
	if got, want := fmt.Sprint(told), "[b 3 c 3]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestTheLimitNamesTheUserOfTheList(t *testing.T) {
	var told []string
	l := &audit.Log{Ended: func(_ context.Context, e audit.Ending) {
		told = append(told, fmt.Sprint(e.ID, " ", e.User, " ", e.By == audit.Limit))
	}}
	for range 2 {
		l.Exceeded(t.Context(), "a", "ann", []state.Superseded{{ID: "a"}, {ID: "b"}}, failover.Durable)
	}
	if got, want := fmt.Sprint(told), "[a ann true b ann true]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestNobodyIsTold(t *testing.T) {
	for _, l := range []*audit.Log{nil, {}} {
		l.Saw(t.Context(), "a", state.State{}, audit.Time)
		l.End(t.Context(), "a", state.State{Created: 1}, nil, audit.Visitor, failover.Durable)
		l.EndUnread(t.Context(), "a", []state.Superseded{{ID: "a"}}, audit.Visitor, failover.Pending)
		l.Refuse(t.Context(), "a", state.Login{User: "ann"})
	}
}

// What was told is remembered over half of the memory at least.
func TestWhatWasToldIsRememberedWhenTheMemoryTurns(t *testing.T) {
	told := map[string]int{}
	l := &audit.Log{Ended: func(_ context.Context, e audit.Ending) { told[e.ID]++ }}
	for n := range 8000 {
		l.Saw(t.Context(), fmt.Sprint("session ", n), state.State{}, audit.Time)
		if before := n - 3000; before >= 0 {
			l.Saw(t.Context(), fmt.Sprint("session ", before), state.State{}, audit.Time)
		}
	}
	for id, n := range told {
		if n != 1 {
			t.Fatalf("%s: told %d times, want once", id, n)
		}
	}
}

func TestWhoRevokes(t *testing.T) {
	of := func(id, user string) state.Copy {
		c := state.Copy{ID: id, State: state.State{Created: 1}}
		if user != "" {
			login := state.Login{User: user, Clock: 1, At: 1}.Change()
			c.State = c.State.Write([]state.Change{login}, state.Dot{Clock: 1, Instance: 1})
		}
		return c
	}
	for _, test := range []struct {
		is          string
		mine, ended state.Copy
		want        audit.By
	}{
		{"the session of the request", of("a", "ann"), of("a", "ann"), audit.Visitor},
		{"another one of the user", of("a", "ann"), of("b", "ann"), audit.Device},
		{"that of another user", of("a", "ann"), of("b", "bob"), audit.Administrator},
		{"that of nobody, by nobody", of("a", ""), of("b", ""), audit.Administrator},
		{"outside of any request", state.Copy{}, of("b", "ann"), audit.Administrator},
	} {
		if got := audit.RevokedBy(test.mine, test.ended); got != test.want {
			t.Errorf("%s: by %d, want %d", test.is, got, test.want)
		}
	}
}
