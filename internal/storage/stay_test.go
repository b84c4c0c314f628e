package storage_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A session lasts as long as its record says, within the bound, and else as the options say.
func TestHowLongASessionLasts(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	for _, test := range []struct {
		name                    string
		change                  state.Change
		idle, refresh, lifetime time.Duration
		persistent              bool
	}{
		{"as the options say", state.NoStay(), instance.Idle, instance.Refresh, instance.Lifetime, true},
		{"not past the browser", state.Stay{}.Change(), instance.Idle, instance.Refresh, instance.Lifetime, false},
		{"long", state.Stay{Persistent: true, Lifetime: 40 * day, Idle: 14 * day}.Change(), 14 * day, instance.Refresh, 40 * day, true},
		{"short", state.Stay{Lifetime: hour, Idle: 5 * time.Minute}.Change(), 5 * time.Minute, 30 * time.Second, hour, false},
		{"no longer than the bound", state.Stay{Lifetime: 100 * day, Idle: 90 * day}.Change(), instance.MaxLifetime, instance.Refresh, instance.MaxLifetime, false},
	} {
		story(t, test.name, func(w *world) {
			w.Storage.Persistent = true
			st := w.st.Write([]state.Change{test.change}, w.Clock.Dot(w.st))
			now := time.Now()
			if got := w.Storage.EndOf(&st, now).Sub(now); got != test.lifetime {
				w.Errorf("its lifetime is %v, want %v", got, test.lifetime)
			}
			st.End = now.Add(100 * day).UnixMilli()
			if got := w.Storage.Expires(st).Sub(time.UnixMilli(st.LastSeen)); got != test.idle+test.refresh {
				w.Errorf("it expires %v after its last use, want %v", got, test.idle+test.refresh)
			}
			if got := w.Storage.EndsUnused(st).Sub(time.UnixMilli(st.LastSeen)); got != test.idle {
				w.Errorf("unused it ends %v after its last use, want %v", got, test.idle)
			}
			if idle, refresh := w.Storage.IdleOf(&st), w.Storage.RefreshOf(&st); idle != test.idle || refresh != test.refresh {
				w.Errorf("it lives for %v unused, refreshed every %v, want %v and %v", idle, refresh, test.idle, test.refresh)
			}
			if end := w.Storage.CookieEnd(&st); end.IsZero() == test.persistent || test.persistent && end.UnixMilli() != st.End {
				w.Errorf("its cookies last until %v", end)
			}
			soon := st
			soon.End = time.UnixMilli(st.LastSeen).Add(time.Second).UnixMilli()
			if got := w.Storage.EndsUnused(soon).UnixMilli(); got != soon.End {
				w.Errorf("unused it ends at %d, want its end, %d", got, soon.End)
			}
			w.Storage.Format = &format{}
			if got := w.Storage.IdleOf(&st); got != instance.Idle {
				w.Errorf("an entry of another program's has %v for the idle timeout", got)
			}
		})
	}
}

// A short stay that a clock ahead of this one has seen counts as seen a refresh ago, and
// not as over.
func TestAShortStaySeenByAClockAhead(t *testing.T) {
	story(t, "", func(w *world) {
		st := w.st.Write([]state.Change{state.Stay{Idle: time.Minute}.Change()}, w.Clock.Dot(w.st)).Seen(time.Now().Add(time.Hour))
		w.Store.Set("a", st)
		if r, err := w.load(w.Context(), true); err != nil || r.State.LastSeen != time.Now().Add(-6*time.Second).UnixMilli() {
			w.Errorf("it came to %v, seen %v ago", err, time.Since(time.UnixMilli(r.State.LastSeen)))
		}
		c, err := w.Shards.AllowLoad(w.Context(), "a", true)
		if err != nil {
			w.Fatal(err)
		}
		if r, err := w.Storage.Read(w.Context(), c); err != nil || r.State.LastSeen != time.Now().Add(-6*time.Second).UnixMilli() {
			w.Errorf("without a visitor it came to %v, seen %v ago", err, time.Since(time.UnixMilli(r.State.LastSeen)))
		}
	})
}
