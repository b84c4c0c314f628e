package members

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

func TestAnOutageFillsTheLogWithOneCallAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		p := newProcess(f, 1)
		p.exchange()
		f.failing(func(operation, _ string) error {
			if operation != "load" {
				return errDown
			}
			return nil
		})
		for n := range 20 {
			if p.ends(seq(10*n, 10*n+10)...) == nil {
				t.Error("no error")
			}
		}
		p.wg.Wait()
		if n := len(p.own.open().entries); n > 10 {
			t.Errorf("the log holds %d tombstones that it could not save", n)
		}
	})
}

func TestTheEndOfABlockIsNamedWithItsSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		p := newProcess(f, 1)
		f.failing(func(_, id string) error {
			if strings.Contains(id, "-l") {
				return errDown
			}
			return nil
		})
		for n := range revoked.Block + 10 {
			_ = p.ends(n)
		}
		p.exchange()
		if got := f.members(t).Rows[0].Next; got != revoked.Block-1 {
			t.Errorf("without the segment the log goes to %d", got)
		}
		f.failing(nil)
		p.exchange()
		if got := f.members(t).Rows[0].Next; got < revoked.Block {
			t.Errorf("with the segment the log goes to %d", got)
		}
		p.wg.Wait()
	})
}

func TestASaveThatStandsIsNotMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		p := newProcess(f, 1)
		p.exchange()
		f.losing(func(_, id string) error {
			if strings.HasPrefix(id, "log-") {
				return errDown
			}
			return nil
		})
		f.count()
		if p.ends(1) == nil {
			t.Error("no error")
		}
		f.losing(nil)
		p.mustEnd(t, 2)
		if _, saves, _ := f.count(); saves != 3 { // whose answer was lost, which conflicts, and of the second tombstone
			t.Errorf("%d saves", saves)
		}
		p.wg.Wait()
	})
}

func TestTheOwnerAnswersBeforeItsTurnComes(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		const blocks = 30
		all[0].mustEnd(t, seq(0, blocks*revoked.Block)...)
		time.Sleep(promised)
		if err := all[0].acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		far := uint32(all[0].own.turn+20) % blocks
		name := all[0].own.name
		all[0].release()
		f.evict(recordid.Segment(name, true, far) + "-")
		late := start(f, 9)
		time.Sleep(5 * time.Second)
		if !late.Complete(time.Now()) {
			t.Error("the owner has not answered")
		}
		late.crash()
		<-late.gone
	})
}

func TestALogThatIsWrittenAnewHasOnlyItsOwn(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 100)...)
		time.Sleep(promised)
		all[1].Restarted()
		all[1].exchange()
		if row := f.members(t).Find(all[1].own.name); row == nil || row.First != row.Next {
			t.Errorf("the log of one that has ended nobody: %v", row)
		}
	})
}
