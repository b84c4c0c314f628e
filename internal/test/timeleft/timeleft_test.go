package timeleft_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

// limited is a test with a deadline of its own, which keeps what is logged.
type limited struct {
	*testing.T
	at     time.Time
	logged []string
}

func (l *limited) Deadline() (time.Time, bool) { return l.at, !l.at.IsZero() }

func (l *limited) Logf(format string, a ...any) {
	l.logged = append(l.logged, fmt.Sprintf(format, a...))
}

func TestEachEndsHalfwayToTheDeadlineAndSaysHowFarItCame(t *testing.T) {
	for name, test := range map[string]struct {
		timeout, round time.Duration
		want           int
		log            string
	}{
		"no deadline":           {0, time.Hour, 10, ""},
		"a machine as usual":    {time.Minute, time.Second, 10, ""},
		"a slow machine":        {time.Minute, 9 * time.Second, 4, "no time for more: 4 of 10 seeds were run; -timeout gives more"},
		"a very slow one":       {time.Minute, 40 * time.Second, 1, "no time for more: 1 of 10 seeds were run; -timeout gives more"},
		"the last is just late": {time.Minute, 3300 * time.Millisecond, 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &limited{T: t}
				if test.timeout > 0 {
					l.at = time.Now().Add(test.timeout)
				}
				got := 0
				for i := range timeleft.Each(l, "seeds", 10) {
					if i != got {
						t.Errorf("got %d, want %d", i, got)
					}
					got++
					time.Sleep(test.round)
				}
				if got != test.want {
					t.Errorf("got %d rounds, want %d", got, test.want)
				}
				if log := strings.Join(l.logged, "\n"); log != test.log {
					t.Errorf("got the log %q, want %q", log, test.log)
				}
			})
		})
	}
}

// No alarm of a loop that was left is still set: it would go off.
func TestALoopThatIsLeftEarlyIsNotWatchedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{T: t, at: time.Now().Add(time.Minute)}
		for i := range timeleft.Each(l, "rounds", 10) {
			if i == 2 {
				break
			}
		}
		func() {
			defer func() { _ = recover() }()
			for range timeleft.Each(l, "rounds", 10) {
				panic("in a round")
			}
		}()
		time.Sleep(time.Hour)
		if len(l.logged) > 0 {
			t.Errorf("got the log %q, want none", l.logged)
		}
	})
}

func TestAWaitEndsBeforeTheTestDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct{ timeout, most, want time.Duration }{
			{0, time.Minute, time.Minute},
			{10 * time.Minute, time.Minute, time.Minute},
			{time.Minute, time.Minute, 57 * time.Second},
			{10 * time.Second, time.Minute, 9 * time.Second},
		} {
			l := &limited{T: t}
			if test.timeout > 0 {
				l.at = time.Now().Add(test.timeout)
			}
			if got := timeleft.Within(l, test.most); got != test.want {
				t.Errorf("%v before the deadline: got %v, want %v", test.timeout, got, test.want)
			}
		}
	})
}

// inChild is set where this test hangs, in a process of its own.
const inChild = "TIMELEFT_HANG"

func TestWhatHangsIsNamed(t *testing.T) {
	if os.Getenv(inChild) != "" {
		// A deadline far ahead of the real one, and not too near for the rounds before.
		l := &limited{T: t, at: time.Now().Add(time.Hour)}
		defer timeleft.Watch(l, "seed 4711")()
		timeleft.Watch(l, "seed 4710")()
		for i := range timeleft.Each(l, "rounds", 60) {
			if i == 16 {
				l.at = time.Now().Add(time.Second) // of the next watch
			}
			if i == 17 {
				select {}
			}
		}
	}
	run := exec.Command(os.Args[0], "-test.run=^TestWhatHangsIsNamed$", "-test.timeout=2m")
	run.Env = append(os.Environ(), inChild+"=1")
	out, err := run.CombinedOutput()
	text := string(out)
	if err == nil {
		t.Error("a test that hangs has passed")
	}
	for _, want := range []string{"TestWhatHangsIsNamed: seed 4711, for ", "TestWhatHangsIsNamed: number 17 of 60 rounds, for ", "this is still under way", "goroutine "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, not := range []string{"seed 4710", "number 16", "test timed out"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is there", not)
		}
	}
	if t.Failed() {
		t.Logf("%.3000s", text)
	}
}

// fatal is a failure of a limited test.
type fatal string

func (l *limited) Fatalf(format string, a ...any) { panic(fatal(fmt.Sprintf(format, a...))) }

func TestPollFailsAheadOfTheDeadlineAndNamesWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		timeout, after time.Duration
		want           fatal
	}{
		"done at once":              {time.Minute, 0, ""},
		"done in time":              {time.Minute, 19 * time.Second, ""},
		"no deadline, and too late": {0, 21 * time.Second, "not within 20s: an answer"},
		"the deadline is near":      {10 * time.Second, 9500 * time.Millisecond, "not within 9s: an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, began := &limited{T: t}, time.Now()
				if test.timeout > 0 {
					l.at = began.Add(test.timeout)
				}
				defer func() {
					got, _ := recover().(fatal)
					if got != test.want {
						t.Errorf("got %q, want %q", got, test.want)
					}
				}()
				took := timeleft.Poll(l, "an answer", func() bool { return time.Since(began) >= test.after })
				if took != test.after {
					t.Errorf("it took %v, want %v", took, test.after)
				}
			})
		})
	}
}
