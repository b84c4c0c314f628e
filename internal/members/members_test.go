package members

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

const promised = 2*second + 100*time.Millisecond // two intervals, and what the store takes

func TestEveryInstanceKnowsEveryLogoutWithinTwoIntervals(t *testing.T) {
	world(t, 3, func(t *testing.T, _ *store, all []*process) {
		for n := range 200 {
			all[n%3].mustEnd(t, n)
			time.Sleep(promised)
			for _, p := range all {
				wantKnown(t, p, "two intervals later", n)
			}
		}
		late := start(all[0].Store.(dead).Store, 9)
		defer func() { late.crash(); <-late.gone }()
		time.Sleep(100 * time.Millisecond)
		if !late.Complete(time.Now()) {
			t.Error("an instance that starts has not read everything at its first exchange")
		}
		wantKnown(t, late, "at its start", seq(0, 200)...)
	})
}

func TestManyAtOnce(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		f.count()
		var wg sync.WaitGroup
		for n := range 500 {
			wg.Go(func() {
				if err := all[0].ends(n); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, saves, _ := f.count(); saves > 20 {
			t.Errorf("500 calls at once took %d saves", saves)
		}
		all[0].mustEnd(t, seq(1000, 6000)...)
		if _, saves, _ := f.count(); saves > 8 {
			t.Errorf("5000 tombstones of one call took %d saves", saves)
		}
		for n := range 3000 { // one by one, over the ends of blocks
			all[1].mustEnd(t, 10_000+n)
		}
		time.Sleep(promised)
		late := start(f, 9)
		time.Sleep(time.Second)
		for _, p := range append(all, late) {
			wantKnown(t, p, "later", seq(0, 500)...)
			wantKnown(t, p, "later", seq(1000, 6000)...)
			wantKnown(t, p, "later", seq(10_000, 13_000)...)
		}
		late.crash()
		<-late.gone
	})
}

func TestAnIdleShardIsAskedOnceAnInterval(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, _ []*process) {
		f.count()
		time.Sleep(50 * time.Second)
		loads, saves, _ := f.count()
		if loads < 3*48 || loads > 3*52+6 || saves > 3 {
			t.Errorf("%d loads and %d saves in 50 seconds of three instances", loads, saves)
		}
	})
}

func TestWhatWasHeardOnceIsReadOnce(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 2000)...)
		time.Sleep(5 * time.Second)
		var segments []string
		f.failing(func(operation, id string) error {
			if operation == "load" && strings.HasPrefix(id, "log-") {
				segments = append(segments, id)
			}
			return nil
		})
		all[1].exchange()
		f.mu.Lock()
		if len(segments) > 0 {
			t.Errorf("read again: %v", segments)
		}
		f.mu.Unlock()
		all[0].mustEnd(t, 5000)
		f.mu.Lock()
		segments = nil
		f.mu.Unlock()
		time.Sleep(promised)
		f.failing(nil)
		if len(segments) < 1 || len(segments) > 6 {
			t.Errorf("for one more: %v", segments)
		}
	})
}

func TestCallersShareAnExchangeThatBeganAfterTheyCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = 50 * time.Millisecond
		p, other := newProcess(f, 1), newProcess(f, 2)
		other.exchange()
		p.exchange()
		f.count()
		var wg sync.WaitGroup
		for range 20 { // at once: the first begins one, all others share the next
			wg.Go(p.exchange)
		}
		wg.Wait()
		if loads, _, _ := f.count(); loads != 2 {
			t.Errorf("%d loads for twenty calls at once", loads)
		}
		other.mustEnd(t, 1)
		other.exchange()
		wg.Go(p.exchange)
		time.Sleep(60 * time.Millisecond) // members was read, the log is being read
		f.answerIn(0)
		other.mustEnd(t, seq(2, 70)...)
		other.exchange()
		p.exchange()
		wantKnown(t, p, "the exchange began after the call", seq(1, 70)...)
		wg.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.wg.Wait()
		other.wg.Wait()
		f.count()
		for range 50 { // a select would choose the answer by chance
			if _, err := p.Exchange(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a canceled call: %v", err)
			}
		}
		p.wg.Wait()
		if loads, _, _ := f.count(); loads > 0 {
			t.Errorf("%d loads for canceled calls", loads)
		}
	})
}

func TestACanceledCallerTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = 20 * time.Millisecond
		p := newProcess(f, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = p.Exchange(ctx) }()
		time.Sleep(time.Millisecond)
		errs := make(chan error, 2)
		go func() { _, err := p.Exchange(t.Context()); errs <- err }()
		gone := make(chan error, 1)
		go func() { gone <- p.Append(ctx, tombstone(1)) }()
		time.Sleep(time.Millisecond)
		go func() { errs <- p.ends(2) }()
		time.Sleep(time.Millisecond)
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that left: %v", err)
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		p.wg.Wait()
	})
}

func TestACallerThatLeavesASharedExchangeLeavesItToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = 20 * time.Millisecond
		p := newProcess(f, 1)
		errs := make(chan error, 3)
		call := func(ctx context.Context) {
			go func() { _, err := p.Exchange(ctx); errs <- err }()
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithCancel(t.Context())
		call(t.Context())
		call(ctx) // the first caller of the next one
		call(t.Context())
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that left: %v", err)
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		p.wg.Wait()
	})
}

func TestMembersDoNotRenewTheirRowsAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = time.Millisecond
		var all []*process
		for i := range 30 {
			all = append(all, start(f, uint32(i+1)))
			time.Sleep(2 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		f.count()
		total := 0
		for range 120 {
			time.Sleep(time.Second)
			_, saves, _ := f.count()
			total += saves
			if saves > 8 {
				t.Errorf("%d saves in a second of 30 members", saves)
			}
		}
		if total < 55 || total > 90 {
			t.Errorf("%d saves in two minutes of 30 members", total)
		}
		for _, p := range all {
			p.crash()
			<-p.gone
		}
	})
}

func TestWhatACrashedMemberLeftIsPartOfEverything(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1)
		time.Sleep(promised)
		all[0].crash()
		<-all[0].gone
		f.failing(func(operation, id string) error {
			if operation == "load" && strings.HasPrefix(id, "log-") {
				return errDown
			}
			return nil
		})
		time.Sleep(10 * time.Second)
		if !all[1].Complete(time.Now()) {
			t.Error("not complete where nothing has to be read")
		}
		time.Sleep(3 * time.Minute)
		if all[1].Complete(time.Now()) {
			t.Error("complete, and the end of the log was not looked behind")
		}
	})
}

func TestAppendReturnsWhenTheLogIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = time.Millisecond // so that the crash comes before what is written later
		p := newProcess(f, 1)
		p.mustEnd(t, 1) // it has never exchanged
		p.crash()
		other := newProcess(f, 2)
		other.exchange()
		wantKnown(t, other, "at its first exchange", 1)
		p.wg.Wait()
	})
}

func TestARowIsAnnouncedSoonAndNotMoreOftenThanFiveTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = time.Millisecond
		p := newProcess(f, 1)
		p.exchange()
		time.Sleep(time.Minute)
		began := time.Now()
		p.mustEnd(t, 1)
		if took := time.Since(began); took > time.Millisecond {
			t.Errorf("the caller waited for %v", took)
		}
		time.Sleep(20 * time.Millisecond)
		if got := f.members(t).Rows[0].Next; got != 1 {
			t.Errorf("Next is %d after 20 ms", got)
		}
		f.count()
		for n := range 200 {
			p.mustEnd(t, 10+n)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(announceEvery)
		if got := f.members(t).Rows[0].Next; got != 201 {
			t.Errorf("Next is %d in the end", got)
		}
		if _, saves, _ := f.count(); saves > 200+13 {
			t.Errorf("%d saves for 200 tombstones in 2.2 s", saves)
		}
		p.wg.Wait()
	})
}

func TestACrashBetweenAppendAndAnnouncementIsNoticed(t *testing.T) {
	for _, sessions := range [][]int{{1}, seq(0, 64), seq(0, 200), seq(0, 1024), seq(0, 3000)} {
		world(t, 3, func(t *testing.T, f *store, all []*process) {
			all[0].mustEnd(t, 9999)
			time.Sleep(promised)
			f.failing(func(operation, id string) error {
				if operation != "load" && strings.HasPrefix(id, recordid.Members) {
					return errDown
				}
				return nil
			})
			all[0].mustEnd(t, sessions...)
			all[0].crash()
			f.failing(nil)
			late := start(f, 9)
			time.Sleep(100 * time.Millisecond)
			wantKnown(t, late, "one that starts looks behind the end", sessions...)
			late.crash()
			<-late.gone
			time.Sleep(3 * time.Minute)
			for _, p := range all[1:] {
				wantKnown(t, p, "three minutes after the crash", sessions...)
			}
			f.count()
			time.Sleep(30 * time.Second)
			if loads, _, _ := f.count(); loads > 70 {
				t.Errorf("%d loads in 30 seconds of two members: the end is looked behind again and again", loads)
			}
		})
	}
}

func TestCloseTakesAnEmptyRowOff(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1)
		for _, p := range all[:2] {
			p.crash()
			<-p.gone
			p.wg.Wait()
			p.Store = f // it stops in good order
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error("a second time:", err)
			}
			if _, err := p.Exchange(t.Context()); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if err := p.ends(5); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		rows := f.members(t).Rows
		if len(rows) != 2 || rows[0].Instance+rows[1].Instance != 1+3 {
			t.Errorf("the rows are %v", rows)
		}
		if r := f.members(t).Find(all[0].own.name); r == nil || r.Next != 1 {
			t.Errorf("Close did not announce: %v", r)
		}
		time.Sleep(time.Minute)
		got, _ := all[2].told()
		if got.Lost || got.Alone {
			t.Errorf("those who stay found %+v", got)
		}
		time.Sleep(5 * time.Minute)
		if got, _ := all[2].told(); !got.Alone || got.Lost {
			t.Errorf("alone: %+v", got)
		}
		if !all[2].set.knows(idOf(1)) {
			t.Error("the log of the one that left was not read")
		}
	})
}

func TestCloseWaitsForCallsAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = 100 * time.Millisecond
		p := newProcess(f, 1)
		done := make(chan error, 1)
		go func() { done <- p.ends(1) }()
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the call under way: %v", err)
		}
		p.wg.Wait()
		q := newProcess(f, 2)
		if err := q.Close(t.Context()); err != nil {
			t.Error("one that never asked:", err)
		}
	})
}

func TestALogExpires(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 1500)...)
		time.Sleep(life / 2)
		all[0].mustEnd(t, 5000)
		time.Sleep(life/2 + 3*time.Minute)
		row := f.members(t).Find(all[0].own.name)
		if row == nil || row.First != 2048 || row.Next != 2049 {
			t.Errorf("after a life the row is %v", row)
		}
		late := start(f, 9)
		time.Sleep(time.Second)
		wantKnown(t, late, "what is younger", 5000)
		if late.set.knows(idOf(1)) || !late.Complete(time.Now()) {
			t.Error("an expired part of a log is read, or waited for")
		}
		late.crash()
		<-late.gone
		time.Sleep(life)
		if row := f.members(t).Find(all[0].own.name); row == nil || row.First != row.Next {
			t.Errorf("after another life the row is %v", row)
		}
		all[0].mustEnd(t, 6000)
		time.Sleep(promised)
		wantKnown(t, all[1], "in the log that was empty", 6000)
		all[0].crash()
		time.Sleep(life + 5*time.Minute)
		if rows := f.members(t).Rows; len(rows) != 1 {
			t.Errorf("the rows a life after a crash are %v", rows)
		}
	})
}

func TestTheIntervalGrowsWithTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		p := newProcess(f, 1)
		p.exchange()
		if got := p.Interval(); got != second {
			t.Errorf("alone: %v", got)
		}
		for i := range 249 {
			newProcess(f, uint32(i+2)).exchange()
		}
		p.exchange()
		if got := p.Interval(); got != 2500*time.Millisecond {
			t.Errorf("250 members: %v", got)
		}
		time.Sleep(20 * time.Second) // the shard is new no more
		p.exchange()
		time.Sleep(4 * time.Second)
		if !p.Complete(time.Now()) {
			t.Error("not complete within two intervals")
		}
		time.Sleep(time.Second)
		if p.Complete(time.Now()) {
			t.Error("complete after two intervals")
		}
	})
}

func TestLayoutsThatDifferAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		a, b := newProcess(f, 1), newProcess(f, 2)
		layout := uint64(1)
		a.Layout = func() uint64 { return 1 }
		b.Layout = func() uint64 { return layout }
		a.exchange()
		b.exchange()
		if r, _ := a.told(); r.Layouts {
			t.Error("one layout is told as two")
		}
		layout = 2
		b.exchange()
		a.exchange()
		ra, _ := a.told()
		rb, _ := b.told()
		if !ra.Layouts || !rb.Layouts {
			t.Errorf("told: %v and %v", ra.Layouts, rb.Layouts)
		}
		time.Sleep(5 * time.Minute) // b is gone
		a.exchange()
		a.told()
		a.exchange()
		if r, _ := a.told(); r.Layouts {
			t.Error("the layout of a member that is gone counts")
		}
	})
}

func TestLogsBeyondTheNumbersHaveNone(t *testing.T) {
	var n Numbers
	used := make(map[uint8]int)
	for range 300 {
		used[n.take()]++
	}
	if used[revoked.Own] > 0 || used[revoked.Unnumbered] != 300-253 || len(used) != 254 {
		t.Errorf("%d numbers, the last %d times", len(used), used[revoked.Unnumbered])
	}
	n.free(7)
	if got := n.take(); got != 7 {
		t.Errorf("got %d, want the one that was given back", got)
	}
}
