package members

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

func TestASegmentThatIsGoneIsWrittenAgainByItsOwner(t *testing.T) {
	for _, n := range []int{5, 100, 1000, 1024, 2500} {
		world(t, 2, func(t *testing.T, f *store, all []*process) {
			all[0].mustEnd(t, seq(0, n)...)
			time.Sleep(promised)
			if f.evict("log-") == 0 {
				t.Fatal("there was no log")
			}
			late := start(f, 9)
			time.Sleep(100 * time.Millisecond)
			if late.Complete(time.Now()) {
				t.Error("complete although segments are missing")
			}
			time.Sleep(3 * time.Second)
			if !late.Complete(time.Now()) {
				t.Error("not complete after the owner had time to write them again")
			}
			wantKnown(t, late, "after segments were evicted", seq(0, n)...)
			if got, _ := all[1].told(); got.Lost {
				t.Error("an evicted segment is no loss")
			}
			time.Sleep(second)
			if m := f.members(t); len(m.Asked) > 0 || len(m.Rows) != 3 {
				t.Errorf("in the end %d logs are asked for, %d rows", len(m.Asked), len(m.Rows))
			}
			late.crash()
			<-late.gone
		})
	}
}

func TestTheOwnerLooksAtItsSegmentsInTurn(t *testing.T) {
	for _, large := range []bool{false, true} {
		world(t, 2, func(t *testing.T, f *store, all []*process) {
			for n := range 1024 + 130 { // one large segment and three small ones
				all[0].mustEnd(t, n)
			}
			time.Sleep(promised)
			base := recordid.Segment(all[0].own.name, large, map[bool]uint32{false: 17, true: 0}[large])
			if f.evict(base+"-") != 1 {
				t.Fatal("the segment was not there")
			}
			time.Sleep(6 * time.Second)
			wantReadable(t, f, "after a segment was evicted that nobody has asked for", seq(0, 1024+130)...)
		})
	}
}

func TestTheOwnerNoticesThatASegmentWentBack(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		segment := recordid.Numbered(recordid.Segment(all[0].own.name, false, 0), 0)
		all[0].mustEnd(t, 0, 1)
		time.Sleep(promised)
		shorter := f.snapshot()[segment].data
		all[0].mustEnd(t, 2)
		time.Sleep(promised)
		f.put(segment, shorter)
		time.Sleep(6 * time.Second)
		wantReadable(t, f, "after a segment went back that nobody has asked for", 0, 1, 2)
	})
}

func TestEverySegmentIsReadWithinItsTurn(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 10*revoked.Block)...)
		time.Sleep(second)
		seen := make(map[string]int)
		f.failing(func(operation, id string) error {
			if operation == "load" && strings.HasPrefix(id, "log-") {
				seen[id]++
			}
			return nil
		})
		time.Sleep(20*second + second/2)
		f.failing(nil)
		if len(seen) != 10 {
			t.Errorf("%d segments were read in twenty intervals, want 10", len(seen))
		}
		for id, n := range seen {
			if n > 3 {
				t.Errorf("%s was read %d times", id, n)
			}
		}
	})
}

func TestTheLogOfAMemberThatIsGoneIsRescued(t *testing.T) {
	world(t, 4, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 1500)...)
		time.Sleep(promised)
		name := all[0].own.name
		all[0].crash()
		<-all[0].gone
		time.Sleep(5 * time.Minute)
		f.evict("log-")
		f.count()
		late := start(f, 9)
		time.Sleep(100 * time.Millisecond)
		if late.Complete(time.Now()) || !f.members(t).Asks(name) {
			t.Error("a missing segment is not asked for")
		}
		time.Sleep(7 * time.Second)
		if !late.Complete(time.Now()) {
			t.Error("not complete after the rescue")
		}
		wantKnown(t, late, "from the log of one that is gone", seq(0, 1500)...)
		if m := f.members(t); m.Find(name) != nil || len(m.Asked) > 0 {
			t.Error("the log that was rescued is still named")
		}
		if _, saves, _ := f.count(); saves > 50 {
			t.Errorf("%d saves", saves)
		}
		late.crash()
		<-late.gone
		wantReadable(t, f, "later", seq(0, 1500)...)
	})
}

func TestALogWhoseOwnerHasJustCrashedIsRescuedBeforeAMemberStopsWaiting(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 100)...)
		time.Sleep(promised)
		all[0].crash()
		<-all[0].gone
		f.evict("log-")
		late := start(f, 9)
		time.Sleep(9 * time.Second)
		if late.Complete(time.Now()) {
			t.Error("complete, and the segment is missing")
		}
		wantKnown(t, late, "before it stops waiting", seq(0, 100)...)
		late.crash()
		<-late.gone
	})
}

func TestAnOwnerThatIsThereIsLeftItsLog(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 100)...)
		time.Sleep(promised)
		f.evict("log-")
		late := start(f, 9)
		time.Sleep(20 * time.Second)
		for _, p := range all[1:] {
			if p.set.find(idOf(1)).From == revoked.Own {
				t.Errorf("instance %d has written what its owner has written", p.Instance)
			}
		}
		late.crash()
		<-late.gone
	})
}

func TestNotEverybodyRescuesTheSame(t *testing.T) {
	world(t, 12, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 1000)...)
		time.Sleep(promised)
		all[0].crash()
		<-all[0].gone
		time.Sleep(5 * time.Minute)
		f.evict("log-")
		late := start(f, 99)
		time.Sleep(20 * time.Second)
		owners := 0
		for _, p := range all[1:] {
			if p.set.find(idOf(5)).From == revoked.Own {
				owners++
			}
		}
		if owners < 1 || owners > 8 {
			t.Errorf("%d of 11 have written it", owners)
		}
		late.crash()
		<-late.gone
	})
}

// Members that exchange at the same moment all see the same orphaned log. Their rescues spread
// over two intervals, so that most members hear from the first ones that it has been done. An
// owner that is there, and slow, has its time before.
func TestRescuesSpreadOverTwoIntervals(t *testing.T) {
	const (
		members = 200
		number  = 5
	)
	lost := revoked.LogName{1}
	now := time.Unix(1_000_000_000, 0)
	for _, test := range []struct {
		name  string
		row   revoked.Row
		first int // the interval in which the first ones may begin
	}{
		{"the owner is gone", revoked.Row{Log: lost, Next: 1, Renewed: minute(now) - aliveFor - 1}, 0},
		{"the owner may be there", revoked.Row{Log: lost, Next: 1, Renewed: minute(now) - aliveFor}, ownersTime},
	} {
		record := &revoked.Members{Rows: []revoked.Row{test.row}, Asked: []revoked.LogName{lost}}
		due := make([]int, test.first+3) // by intervals since the segment was asked for
		for n := range members {
			s := newProcess(newStore(), uint32(n)).Shard
			s.view.readers[lost] = &reader{number: number}
			for i := range due {
				numbers, _ := s.dueRescues(record, now.Add(time.Duration(i)*second))
				due[i] += len(numbers)
			}
		}
		early := 0
		second := due[test.first+1]
		third := due[test.first+2]
		for _, n := range due[:test.first+1] {
			early += n
		}
		if early > members/10 || second < members/4 || third < members/4 || early+second+third != members {
			t.Errorf("%s: of %d members, by the interval: %v", test.name, members, due)
		}
	}
}

func TestSomethingElseInThePlaceOfTheOwnLogGivesItAnotherName(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1, 2)
		time.Sleep(promised)
		foreign := revoked.Segment{Tombstones: []revoked.Tombstone{tombstone(77), tombstone(78)}}
		f.put(recordid.Numbered(recordid.Segment(all[0].own.name, false, 0), 0), foreign.Append(nil))
		if err := all[0].ends(3); err == nil {
			t.Error("it was replaced")
		}
		time.Sleep(3 * time.Second)
		all[0].mustEnd(t, 3)
		time.Sleep(promised)
		wantReadable(t, f, "under another name", 1, 2, 3)
	})
}

func TestWhatIsNoSegmentInThePlaceOfTheOwnLogIsReplacedAtOnce(t *testing.T) {
	for _, data := range [][]byte{[]byte("nonsense"), {}, laterFormat("HFS")} {
		synctest.Test(t, func(t *testing.T) {
			f := newStore()
			p := newProcess(f, 1)
			p.mustEnd(t, 1, 2)
			f.put(recordid.Numbered(recordid.Segment(p.own.name, false, 0), 0), data)
			p.mustEnd(t, 3)
			p.exchange()
			q := newProcess(f, 2)
			q.exchange()
			wantKnown(t, q, "at its start", 1, 2, 3)
			p.wg.Wait()
		})
	}
}

func TestAnEvictedTailIsWrittenWithTheNextTombstone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		p := newProcess(f, 1)
		p.mustEnd(t, 1, 2)
		f.evict("log-")
		p.mustEnd(t, 3)
		p.exchange()
		q := newProcess(f, 2)
		q.exchange()
		wantKnown(t, q, "at its start", 1, 2, 3)
		p.wg.Wait()
	})
}

func TestALogWithoutANumberIsWrittenAgainAfterALoss(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		for all[1].Numbers.take() != revoked.Unnumbered {
		}
		p := start(f, 7)
		time.Sleep(second)
		p.mustEnd(t, seq(0, 50)...)
		time.Sleep(promised)
		if got := all[1].set.find(idOf(1)).From; got != revoked.Unnumbered {
			t.Fatalf("it has the number %d", got)
		}
		p.crash()
		all[0].crash()
		<-p.gone
		f.evict("")
		time.Sleep(rewritten)
		wantReadable(t, f, "from the one that is left", seq(0, 50)...)
	})
}
