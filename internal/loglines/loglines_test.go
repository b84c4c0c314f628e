package loglines

import (
	"sync/atomic"
	"testing"
	"time"
)

// A log that told of something before the clock was set back goes on telling.
func TestAClockThatIsSetBackSilencesNoLine(t *testing.T) {
	for _, test := range []struct {
		last time.Duration // before now
		due  bool
	}{{0, false}, {30 * time.Second, false}, {2 * time.Minute, true}, {-8 * time.Hour, true}} {
		var told atomic.Int64
		told.Store(time.Now().Add(-test.last).Unix())
		if due := onceAMinute(&told); due != test.due {
			t.Errorf("a line that was told %v ago is due: %v, want %v", test.last, due, test.due)
		}
	}
}
