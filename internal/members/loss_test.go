package members

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

const rewritten = recovery*second - 500*time.Millisecond // after a loss, until all logs are written again

// wantReadable checks that an instance that starts reads all from the logs.
func wantReadable(t *testing.T, f *store, when string, sessions ...int) {
	t.Helper()
	late := start(f, 99)
	time.Sleep(100 * time.Millisecond)
	if !late.hasReadAll() {
		t.Errorf("%s: one that starts has not read everything", when)
	}
	wantKnown(t, late, when+": one that starts", sessions...)
	late.crash()
	<-late.gone
	late.wg.Wait()
}

func TestAShardThatLostItsMemoryGetsAllLogsAgain(t *testing.T) {
	for name, loses := range map[string]func(*store, map[string]record){
		"everything":         func(f *store, _ map[string]record) { f.evict("") },
		"the members record": func(f *store, _ map[string]record) { f.evict(recordid.Members) },
		"a minute":           func(f *store, r map[string]record) { f.restore(r) },
		"a part, and the first byte of the members record": func(f *store, _ map[string]record) {
			f.evict("log-")
			f.damage(recordid.Members, func() bool { return true }, func(b []byte) { b[0]++ })
		},
		"a part, and the format of the members record": func(f *store, _ map[string]record) {
			f.evict("log-")
			f.damage(recordid.Members, func() bool { return true }, func(b []byte) { b[3]++ })
		},
		"a part, to garbage": func(f *store, _ map[string]record) { f.put(recordid.Numbered(recordid.Members, 0), []byte{1, 2, 3}) },
		"everything, to another": func(f *store, _ map[string]record) {
			f.evict("")
			f.put(recordid.Numbered(recordid.Members, 0), (&revoked.Members{Made: time.Now().Add(-time.Hour).UnixMilli(), Minute: minute(time.Now())}).Append(nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, 4, func(t *testing.T, f *store, all []*process) {
				snapshot := f.snapshot()
				time.Sleep(time.Minute)
				all[3].mustEnd(t, seq(3000, 3100)...)
				time.Sleep(promised)
				all[3].crash() // its log is orphaned
				time.Sleep(time.Minute)
				all[0].mustEnd(t, seq(0, 1100)...)
				all[1].mustEnd(t, 2000)
				time.Sleep(promised)
				loses(f, snapshot)
				f.count()
				time.Sleep(rewritten)
				for _, p := range all[:3] {
					if got, n := p.told(); !got.Lost || !got.Known || n != 1 {
						t.Errorf("instance %d: told %d times, %+v", p.Instance, n, got)
					}
				}
				if _, saves, _ := f.count(); saves > 60 {
					t.Errorf("%d saves for 1201 tombstones", saves)
				}
				sessions := append(append(seq(0, 1100), seq(3000, 3100)...), 2000)
				wantReadable(t, f, "after the loss", sessions...)
				time.Sleep(time.Minute)
				for _, p := range all[:3] {
					if got, n := p.told(); n != 0 {
						t.Errorf("instance %d: told again %d times, %+v", p.Instance, n, got)
					}
				}
			})
		})
	}
}

func (f *store) put(id string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.records[id] = record{data, Version{0: 9, 1: byte(f.n)}, time.Now().Add(time.Hour)}
}

func TestALogOfAnotherSurvivesWhereOneKnowsIt(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, seq(0, 300)...)
		time.Sleep(promised)
		for round := range 3 { // whoever is left writes what nobody else has any more
			if round < 2 {
				all[round].crash()
				<-all[round].gone
			}
			f.evict("")
			time.Sleep(rewritten)
			wantReadable(t, f, "the logs of those who are gone", seq(0, 300)...)
		}
	})
}

func TestALossIsNoticedByEverybodyThoughOneCameFirst(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, all []*process) {
		snapshot := f.snapshot()
		all[0].mustEnd(t, 1)
		all[1].mustEnd(t, 2)
		time.Sleep(promised)
		f.restore(snapshot)
		for range 40 { // the first to look writes the record more often than it went back
			all[2].mustEnd(t, 100+rand.IntN(1e6))
			all[2].exchange()
		}
		time.Sleep(rewritten)
		for _, p := range all {
			if got, _ := p.told(); !got.Known {
				t.Errorf("instance %d has not noticed", p.Instance)
			}
		}
		wantReadable(t, f, "after the rollback", 1, 2)
	})
}

func TestARollbackToAnyMomentLosesNoLogout(t *testing.T) {
	world(t, 3, func(t *testing.T, f *store, all []*process) {
		var snapshots []map[string]record
		var sessions []int
		for n := range 60 {
			snapshots = append(snapshots, f.snapshot())
			all[n%3].mustEnd(t, n)
			sessions = append(sessions, n)
			time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
		}
		for _, at := range rand.Perm(len(snapshots))[:25] {
			time.Sleep(promised)
			f.restore(snapshots[at])
			time.Sleep(rewritten)
			wantReadable(t, f, "after a rollback", sessions...)
		}
	})
}

func TestALongWayBackMakesOldSessionsCountAsNothing(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		recent := f.snapshot()
		time.Sleep(life - 3*time.Minute)
		f.restore(recent)
		time.Sleep(rewritten)
		got, _ := all[0].told()
		if !got.Lost || got.NothingBefore != 0 {
			t.Errorf("not as far back as a tombstone lives: %+v", got)
		}
		all[1].told()
		old := f.snapshot()
		at := minute(time.Now())
		time.Sleep(life + 5*time.Minute)
		f.restore(old)
		time.Sleep(rewritten)
		for _, p := range all {
			if got, _ := p.told(); !got.Lost || got.NothingBefore < at+1 || got.NothingBefore > at+snapshotAge {
				t.Errorf("instance %d: %+v; the snapshot is of minute %d", p.Instance, got, at)
			}
		}
		if got := all[0].view.seen.NothingBefore; got < at {
			t.Errorf("the record keeps minute %d", got)
		}
		heard := start(f, 8) // it hears of the minute, and of no more
		time.Sleep(time.Minute)
		for _, p := range all {
			p.crash()
			<-p.gone
		}
		f.evict("")
		time.Sleep(rewritten)
		heard.crash()
		<-heard.gone
		late := start(f, 9)
		time.Sleep(second)
		if got, _ := late.told(); got.NothingBefore < at+1 {
			t.Errorf("after the record was lost too, one that starts hears of minute %d", got.NothingBefore)
		}
		late.crash()
		<-late.gone
	})
}

func TestALongWayBackToAnotherRecord(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		old, at := f.snapshot(), minute(time.Now())
		f.evict("")
		time.Sleep(life + 5*time.Minute)
		all[0].told()
		f.restore(old)
		time.Sleep(rewritten)
		if got, _ := all[0].told(); !got.Known || got.NothingBefore < at+1 || got.Snapshot < at-1 || got.Snapshot > at {
			t.Errorf("got %+v; the snapshot is of minute %d", got, at)
		}
	})
}

func TestARestartIsALoss(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1)
		time.Sleep(promised)
		before := f.members(t)
		all[0].Restarted()
		all[0].exchange()
		if got, n := all[0].told(); !got.Lost || !got.Known || n != 1 {
			t.Errorf("told %d times: %+v", n, got)
		}
		if r := f.members(t); r.Find(before.Rows[0].Log) != nil && r.Find(before.Rows[1].Log) != nil {
			t.Error("the log was not written anew")
		}
		wantReadable(t, f, "afterwards", 1)
	})
}

func TestAShardThatIsNewAlarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		a, b := newProcess(f, 1), newProcess(f, 2)
		want := func(p *process, when string, lost bool) {
			t.Helper()
			p.exchange()
			if got, _ := p.told(); got.Lost != lost || got.Known {
				t.Errorf("%s: %+v", when, got)
			}
		}
		want(a, "the first of all", true)
		want(a, "the second time", false)
		time.Sleep(young)
		want(b, "another one, while the record is young", true)
		want(b, "the second time", false)
		time.Sleep(time.Millisecond)
		want(newProcess(f, 3), "later", false)
	})
}

func TestAShardThatTakesNoMembersRecordProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.failing(func(operation, _ string) error {
			if operation != "load" {
				return errDown
			}
			return nil
		})
		p := newProcess(f, 1)
		for range 3 {
			r, err := p.Exchange(t.Context())
			if !r.Lost || r.Known || err == nil || p.Complete(time.Now()) || p.hasReadAll() {
				t.Errorf("%+v, %v, complete %v", r, err, p.Complete(time.Now()))
			}
		}
		f.failing(nil)
		p.exchange()
		p.exchange()
		if !p.hasReadAll() || p.Complete(time.Now()) {
			t.Error("what the others know is not waited for")
		}
		time.Sleep(recovery * second)
		p.exchange()
		if !p.Complete(time.Now()) {
			t.Error("not complete six intervals after it took the record")
		}
		f.evict("")
		f.failing(func(operation, _ string) error {
			if operation == "create" {
				return errDown
			}
			return nil
		})
		if r, err := p.Exchange(t.Context()); !r.Known || err == nil || p.Complete(time.Now()) {
			t.Errorf("%+v, %v, complete %v", r, err, p.Complete(time.Now()))
		}
		if r, _ := p.Exchange(t.Context()); !r.Lost || r.Known {
			t.Errorf("the second time: %+v", r)
		}
	})
}

func TestARollbackThatCannotBeMendedIsToldOnce(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		snapshot := f.snapshot()
		all[0].mustEnd(t, 1)
		time.Sleep(time.Minute)
		f.restore(snapshot)
		f.failing(func(operation, _ string) error {
			if operation != "load" {
				return errDown
			}
			return nil
		})
		time.Sleep(20 * time.Second)
		for _, p := range all {
			if got, n := p.told(); n != 1 || !got.Known {
				t.Errorf("told %d times: %+v", n, got)
			}
		}
		f.failing(nil)
		time.Sleep(rewritten)
		wantReadable(t, f, "when it takes saves again", 1)
	})
}

func TestTheRecordOfALaterProgramStays(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1)
		time.Sleep(promised)
		id, before := recordid.Numbered(recordid.Members, 0), f.snapshot()
		later := laterFormat("HFM")
		f.put(id, later)
		time.Sleep(promised)
		for n := range 10 {
			if all[0].Complete(time.Now()) || all[0].hasReadAll() {
				t.Error("what cannot be read is complete")
			}
			if err := all[0].ends(10 + n); !errors.Is(err, revoked.ErrFormat) {
				t.Errorf("a logout has the error %v", err)
			}
			time.Sleep(second)
		}
		if got := f.snapshot()[id].data; !bytes.Equal(got, later) {
			t.Errorf("it was replaced by %x", got)
		}
		f.put(id, before[id].data)
		time.Sleep(rewritten)
		all[0].mustEnd(t, 20)
		time.Sleep(promised)
		wantReadable(t, f, "when the record can be read", append(seq(10, 21), 1)...)
	})
}

func TestADamagedMembersRecordIsWrittenAnew(t *testing.T) {
	for i := range 4 { // the bytes that say what the record is
		world(t, 2, func(t *testing.T, f *store, all []*process) {
			all[0].mustEnd(t, 1)
			time.Sleep(promised)
			f.damage(recordid.Members, func() bool { return true }, func(b []byte) { b[i] ^= 2 })
			time.Sleep(rewritten + recovery*second)
			for _, p := range all {
				if got, _ := p.told(); !got.Known || !p.Complete(time.Now()) {
					t.Errorf("byte %d: instance %d: %+v, complete %v", i, p.Instance, got, p.Complete(time.Now()))
				}
			}
			all[1].mustEnd(t, 2)
			time.Sleep(promised)
			wantReadable(t, f, "afterwards", 1, 2)
		})
	}
}

func TestAMemberThatWasSilentForLongHasLostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		a, b := newProcess(f, 1), newProcess(f, 2)
		a.exchange()
		time.Sleep(2 * time.Minute)
		b.exchange()
		a.exchange()
		a.told()
		b.told()
		time.Sleep(10 * time.Minute) // both are paused
		b.exchange()                 // takes the row of a off
		if f.members(t).Find(a.own.name) != nil {
			t.Fatal("the row is there")
		}
		name := a.own.name
		a.exchange()
		if got, n := a.told(); n != 0 {
			t.Errorf("told %+v", got)
		}
		if a.own.name == name {
			t.Error("a log whose row has gone goes on")
		}
	})
}

func TestARowThatGoesBackIsALoss(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		for _, test := range []struct {
			name string
			back func(m *revoked.Members)
		}{
			{"a lower count", func(m *revoked.Members) { m.Rows[0].Next-- }},
			{"an earlier renewal", func(m *revoked.Members) { m.Rows[0].Renewed-- }},
			{"a row that is missing", func(m *revoked.Members) { m.Rows = nil }},
		} {
			all[0].mustEnd(t, 1, 2)
			time.Sleep(promised)
			all[0].told()
			m := f.members(t)
			test.back(m)
			m.Sequence += 3
			f.put(recordid.Numbered(recordid.Members, 0), m.Append(nil))
			all[0].exchange()
			if got, _ := all[0].told(); !got.Known {
				t.Errorf("%s goes unseen", test.name)
			}
		}
	})
}

func TestFailures(t *testing.T) {
	// Each operation on each kind of record fails in turn, with and without effect.
	for _, lost := range []bool{false, true} {
		for _, operation := range []string{"load", "create", "swap"} {
			for _, kind := range []string{recordid.Members, "log-"} {
				world(t, 3, func(t *testing.T, f *store, all []*process) {
					fails := func(o, id string) error {
						if o == operation && strings.HasPrefix(id, kind) {
							return errDown
						}
						return nil
					}
					if lost {
						f.losing(fails)
					} else {
						f.failing(fails)
					}
					var acknowledged []int
					for n := range 130 {
						if all[n%2].ends(n) == nil {
							acknowledged = append(acknowledged, n)
						}
					}
					time.Sleep(time.Minute)
					f.failing(nil)
					f.losing(nil)
					time.Sleep(15 * time.Second)
					if got, _ := all[2].told(); got.Lost {
						t.Errorf("%s of %s: a failure is taken for a loss", operation, kind)
					}
					for _, p := range all {
						wantKnown(t, p, operation+" of "+kind+" failed", acknowledged...)
						if !p.Complete(time.Now()) {
							t.Errorf("%s of %s: not complete afterwards", operation, kind)
						}
					}
					wantReadable(t, f, operation+" of "+kind+" failed", acknowledged...)
				})
			}
		}
	}
}

func TestALossThatAnAppendMeetsIsToldToTheNextExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = time.Millisecond
		p := newProcess(f, 1)
		p.mustEnd(t, 1)
		p.exchange()
		time.Sleep(time.Hour)
		p.exchange()
		p.told()
		f.evict("")
		p.mustEnd(t, 2)
		time.Sleep(second) // it was announced, and the loss met
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = p.Exchange(ctx) }()
		synctest.Wait()
		cancel() // this caller hears nothing any more
		p.wg.Wait()
		p.exchange()
		if got, n := p.told(); n != 1 || !got.Known {
			t.Errorf("told %d times: %+v", n, got)
		}
		p.exchange()
		if _, n := p.told(); n != 0 {
			t.Error("told twice")
		}
	})
}

func TestAConflictWhoseSecondLookFails(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		id := recordid.Numbered(recordid.Members, 0)
		conflicts := 0
		f.failing(func(operation, where string) error {
			switch {
			case where != id:
			case operation == "swap": // another member comes first
				r := f.records[id]
				r.version[0]++
				f.records[id] = r
				conflicts++
			case conflicts == 1:
				conflicts++
				return errDown
			}
			return nil
		})
		err := all[0].ends(1)
		time.Sleep(announceEvery)
		f.failing(nil)
		if err != nil || conflicts < 2 {
			t.Errorf("%v, %d conflicts", err, conflicts)
		}
		time.Sleep(promised)
		wantKnown(t, all[1], "later", 1)
	})
}

func TestAnEarlierRecordOfTheShardIsNoticedByOneThatStarts(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		earlier := f.snapshot()
		f.evict("")
		time.Sleep(10 * time.Minute)
		all[0].mustEnd(t, 1)
		time.Sleep(promised)
		f.restore(earlier)
		time.Sleep(second + 100*time.Millisecond)
		late := start(f, 9)
		time.Sleep(100 * time.Millisecond)
		if got, _ := late.told(); !got.Lost || late.Complete(time.Now()) {
			t.Errorf("%+v, complete %v", got, late.Complete(time.Now()))
		}
		late.crash()
		<-late.gone
	})
}

func TestARollbackThatTouchesOnlyOthersIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		a, b := newProcess(f, 1), newProcess(f, 2)
		a.exchange()
		time.Sleep(2 * young)
		b.exchange()
		a.exchange()
		snapshot := f.snapshot()
		b.mustEnd(t, 1)
		b.exchange()
		a.exchange()
		a.told()
		f.restore(snapshot)
		a.exchange()
		if got, _ := a.told(); !got.Known {
			t.Error("a lower sequence goes unseen")
		}
		b.wg.Wait()
	})
}

func TestTheLogOfOneThatHasJustCrashedIsLostWithAMinute(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		snapshot := f.snapshot()
		all[0].mustEnd(t, seq(0, 10)...)
		time.Sleep(promised)
		all[0].crash() // its row counts for three minutes
		<-all[0].gone
		f.restore(snapshot)
		time.Sleep(rewritten)
		wantReadable(t, f, "from the one that is left", seq(0, 10)...)
	})
}

func TestNumbersAreUsedAgain(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		for range 10 {
			f.evict("")
			time.Sleep(rewritten)
		}
		used := 0
		numbers := all[1].Numbers
		numbers.mu.Lock()
		defer numbers.mu.Unlock()
		for _, u := range numbers.used {
			if u {
				used++
			}
		}
		if used != 1 {
			t.Errorf("%d numbers are used for one log", used)
		}
	})
}
