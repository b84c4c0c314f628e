package members

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// adopted is how long it takes until a log has what no log had.
const adopted = (2 + waits + 3) * second

// met does what a tombstone does that an instance meets in the store, or in a file.
func (p *process) met(n int) {
	x := tombstone(n)
	x.From = revoked.Unnumbered
	p.set.Heard([]revoked.Tombstone{x})
	p.Adopt()
}

func TestWhatNoLogHasIsAdopted(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].met(1)
		time.Sleep(adopted)
		wantKnown(t, all[1], "met in the store", 1)
		started := newProcess(f, 9)
		x := tombstone(2)
		x.From = revoked.Unnumbered
		started.set.Heard([]revoked.Tombstone{x})
		go started.run()
		time.Sleep(adopted)
		wantReadable(t, f, "known at the start", 1, 2)
		started.crash()
		<-started.gone
	})
}

func TestWhatStoodBehindTheEndOfALogIsAdopted(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1)
		all[0].crash() // before it is announced
		<-all[0].gone
		time.Sleep(10*time.Minute + adopted)
		if rows := f.members(t).Rows; len(rows) != 1 {
			t.Fatalf("the row has not gone: %v", rows)
		}
		wantReadable(t, f, "when the row has gone", 1)
	})
}

func TestWhatWasHeardFromALogMeanwhileIsNotAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = 2 * time.Millisecond
		var all []*process
		for i := range 20 {
			p := newProcess(f, uint32(i+1))
			p.met(1)
			all = append(all, p)
		}
		for range adopted / second { // all at the same time
			var wg sync.WaitGroup
			for _, p := range all {
				wg.Go(p.exchange)
			}
			wg.Wait()
			time.Sleep(second)
		}
		own := 0
		for _, p := range all {
			wantKnown(t, p, "afterwards", 1)
			if p.set.find(idOf(1)).From == revoked.Own {
				own++
			}
			p.wg.Wait()
		}
		if own < 1 || own > 12 {
			t.Errorf("%d of %d have adopted it", own, len(all))
		}
	})
}

func TestWhatHasExpiredIsNotAdopted(t *testing.T) {
	world(t, 2, func(t *testing.T, _ *store, all []*process) {
		all[0].mustEnd(t, 1)
		time.Sleep(promised)
		all[0].crash()
		<-all[0].gone
		time.Sleep(life + 5*time.Minute + adopted)
		if got := all[1].set.find(idOf(1)).From; got != revoked.Expired {
			t.Errorf("it is in the log %d", got)
		}
	})
}
