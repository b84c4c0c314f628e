package override_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

var (
	_ session.EndingSwitch = (*override.Value)(nil)
	_ session.EndingSwitch = (*override.File)(nil)
)

func want(t *testing.T, when string, s session.Switch, o session.Override) {
	t.Helper()
	if got := s.Override(); got != o {
		t.Errorf("%s: got %+v, want %+v", when, got, o)
	}
}

func TestAValueIsWhatItWasSetTo(t *testing.T) {
	var v override.Value
	want(t, "never set", &v, session.Override{})
	v.Set(backupOnly2h)
	want(t, "set", &v, backupOnly2h)
	v.Set(session.Override{})
	want(t, "set back", &v, session.Override{})
}

func TestAValueEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v override.Value
		v.SetUntil(backupOnly, time.Now().Add(time.Hour))
		time.Sleep(time.Hour - 1)
		want(t, "just before the end", &v, backupOnly)
		time.Sleep(time.Nanosecond)
		want(t, "at the end", &v, session.Override{})
		v.Set(backupOnly)
		time.Sleep(1000 * time.Hour)
		want(t, "set without an end", &v, backupOnly)
	})
}

func TestAValueIsSharedByGoroutines(t *testing.T) {
	var v override.Value
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				v.Set(backupOnly2h)
				v.Set(session.Override{})
			}
		})
		wg.Go(func() {
			for range 1000 {
				if got := v.Override(); got != backupOnly2h && got != (session.Override{}) {
					t.Errorf("got %+v, which nobody set", got)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkValue(b *testing.B) {
	b.ReportAllocs()
	var v override.Value
	v.SetUntil(backupOnly, time.Now().Add(time.Hour))
	for b.Loop() {
		if v.Override() != backupOnly {
			b.Fatal("not what was set")
		}
	}
}
