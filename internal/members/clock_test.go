package members

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
)

const skew = 2 * time.Hour // more than a tombstone lives

func TestAWrongClockMakesNoShortWayBackALongOne(t *testing.T) {
	for name, by := range map[string]time.Duration{"ahead": skew, "behind": -skew} {
		world(t, 2, func(t *testing.T, f *store, all []*process) {
			snapshot := f.snapshot()
			time.Sleep(1500 * time.Millisecond)
			wrong := startAhead(f, 9, by)
			time.Sleep(3 * time.Second) // until it has met its own minute in the record
			f.restore(snapshot)         // without its row
			time.Sleep(rewritten)
			again := f.snapshot()
			time.Sleep(90 * time.Second)
			f.restore(again) // with its row
			time.Sleep(rewritten)
			for _, p := range append(all, wrong) {
				if got, _ := p.told(); !got.Known || got.NothingBefore != 0 {
					t.Errorf("%s: instance %d: %+v", name, p.Instance, got)
				}
			}
			if got := f.members(t).NothingBefore; got != 0 {
				t.Errorf("%s: the record says that nothing counts before minute %d", name, got)
			}
			wrong.crash()
			<-wrong.gone
		})
	}
}

func TestAClockAheadHidesNoLongWayBack(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		wrong := startAhead(f, 9, 24*time.Hour)
		time.Sleep(3 * time.Second)
		wrong.crash()
		<-wrong.gone
		time.Sleep(promised)
		old, at := f.snapshot(), minute(time.Now())
		time.Sleep(life + 5*time.Minute)
		f.restore(old)
		time.Sleep(rewritten)
		for _, p := range all {
			if got, _ := p.told(); got.NothingBefore < at || got.NothingBefore > at+snapshotAge {
				t.Errorf("instance %d: %+v; the snapshot is of minute %d", p.Instance, got, at)
			}
		}
	})
}

func TestALongWayBackOfAShardThatWasAway(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		time.Sleep(10 * time.Minute)
		old := f.snapshot()
		time.Sleep(5 * time.Minute)
		f.failing(func(string, string) error { return errDown })
		time.Sleep(life - 2*time.Minute)
		f.restore(old)
		f.failing(nil)
		time.Sleep(rewritten)
		if got, _ := all[0].told(); got.NothingBefore == 0 {
			t.Errorf("the time in which it was away does not count: %+v", got)
		}
	})
}

func TestMinutesThatAreAheadArePutRight(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		m := f.members(t)
		m.Minute, m.NothingBefore = minute(time.Now().Add(skew)), minute(time.Now().Add(skew))
		m.Sequence++
		f.put(recordid.Numbered(recordid.Members, 0), m.Append(nil))
		time.Sleep(promised)
		if got := f.members(t); got.Minute > minute(time.Now())+1 || got.NothingBefore != 0 {
			t.Errorf("the record has minute %d, and nothing before %d; it is minute %d", got.Minute, got.NothingBefore, minute(time.Now()))
		}
		for _, p := range all {
			if got, _ := p.told(); got.NothingBefore != 0 {
				t.Errorf("instance %d believes it: %+v", p.Instance, got)
			}
		}
		near := minute(time.Now()) + 1
		m = f.members(t)
		m.NothingBefore = near
		m.Sequence++
		f.put(recordid.Numbered(recordid.Members, 0), m.Append(nil))
		time.Sleep(promised)
		if got := f.members(t).NothingBefore; got != near {
			t.Errorf("a minute that clocks differ by is put to %d, want %d", got, near)
		}
	})
}
