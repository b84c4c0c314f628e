package deadline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Other goroutines have the processor: each part is late by as long as they keep it.
func TestTheTimeStandsWhileOthersHaveTheProcessor(t *testing.T) {
	const budget, turn = 100 * time.Millisecond, 20 * time.Millisecond
	busy := func() { time.Sleep(turn) }
	for _, test := range []struct {
		name       string
		yield      func()
		after      func(yield func()) *Context
		half, over time.Duration // when so much of the budget has passed
	}{
		{"a visitor's, and none has it", func() {}, visitors, 50 * time.Millisecond, budget},
		{"nobody's, and none has it", func() {}, nobodys, 50 * time.Millisecond, budget},
		// A quarter is one part, and the rest of six milliseconds each: four until the half.
		{"a visitor's", busy, visitors, 25*time.Millisecond + turn + 4*(budget/lateParts+turn), 25*time.Millisecond + turn + 12*(budget/lateParts+turn)},
		{"nobody's", busy, nobodys, 25*time.Millisecond + turn + 25*(budget/patientParts+turn), 25*time.Millisecond + turn + 75*(budget/patientParts+turn)},
		{"a turn as short as a timer is late", func() { time.Sleep(punctual) }, nobodys, 50*time.Millisecond + 2*punctual, budget + 4*punctual},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			c := test.after(test.yield)
			if !c.Hurried() {
				t.Errorf("%s: it is not known before a callee waits for the end", test.name)
			}
			done := c.Done()
			for !c.Hurried() {
				time.Sleep(time.Millisecond / 4)
			}
			if got := time.Since(begun); got < test.half || got > test.half+time.Millisecond/2 {
				t.Errorf("%s: half of it is over after %v, want %v", test.name, got, test.half)
			}
			<-done
			if got := time.Since(begun); got != test.over {
				t.Errorf("%s: it is over after %v, want %v", test.name, got, test.over)
			}
		})
	}
}

func visitors(yield func()) *Context {
	l := &SharedTimer{yield: yield}
	return l.After(context.Background(), time.Now(), 100*time.Millisecond)
}

func nobodys(yield func()) *Context {
	p := &Patient{SharedTimer{yield: yield}}
	return p.After(context.Background(), 100*time.Millisecond)
}

func TestHalfOfTheTimeIsHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l SharedTimer
		c := l.After(context.Background(), time.Now(), 100*time.Millisecond)
		_ = c.Done()
		for _, want := range []struct {
			after   time.Duration
			hurried bool
		}{{0, false}, {49, false}, {51, true}, {101, true}} {
			time.Sleep(time.Until(startOf(t).Add(want.after * time.Millisecond)))
			synctest.Wait()
			if got := c.Hurried(); got != want.hurried {
				t.Errorf("after %d ms: got %v, want %v", want.after, got, want.hurried)
			}
		}
	})
}

// startOf is when each bubble begins.
func startOf(*testing.T) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestAPatientContextEndsWithItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Patient
		parent, leave := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, leave)
		begun := time.Now()
		c, budget, cancel := p.Until(parent, time.Minute)
		defer cancel()
		<-c.Done()
		if took := time.Since(begun); took != time.Second || c.Err() == nil || budget.Err() != nil {
			t.Errorf("it ended after %v with %v, and the time with %v", took, c.Err(), budget.Err())
		}
		c, budget, cancel = p.Until(context.Background(), time.Hour)
		defer cancel()
		<-c.Done()
		if took := time.Since(begun); took != time.Hour+time.Second || c.Err() != context.DeadlineExceeded || budget.Err() == nil {
			t.Errorf("it ended after %v with %v, and the time with %v", took, c.Err(), budget.Err())
		}
	})
}
