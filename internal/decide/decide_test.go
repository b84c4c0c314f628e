package decide

import (
	"os"
	"strings"
	"testing"
)

// all yields every combination of facts.
func all(yield func(Facts) bool) {
	for n := 0; ; n++ {
		rest := n
		digit := func(base int) int { d := rest % base; rest /= base; return d }
		f := Facts{
			Known: Known(digit(int(knownEnd))), Answer: Answer(digit(int(answerEnd))), Copy: Copy(digit(int(copyEnd))),
			Mode: Mode(digit(int(modeEnd))), Predecessor: Predecessor(digit(int(predecessorEnd))),
			Quarantined: digit(2) == 1, Unwritable: digit(2) == 1, Foreign: digit(2) == 1, NeverStored: digit(2) == 1, Excused: digit(2) == 1,
		}
		if rest > 0 || !yield(f) {
			return
		}
	}
}

// expected is the decision once more, as nested questions instead of rows.
func expected(f Facts) (Verdict, Cause, Effects) {
	stale := Effects(0)
	if f.Copy == Stale {
		stale = ReportStale
	}
	liveRecord := f.Answer == Record || f.Answer == Behind || f.Answer == CacheBehind
	if f.Known == RotatedLately {
		switch f.Answer {
		case CacheBehind:
			return AskStore, None, 0
		case StoreFailed, NoAnswer:
			return Unknown, LoadError, 0
		}
	}
	if f.Known == RotatedLately || f.Known == Revoked || f.Known == RevokedIfStored {
		missing := f.Answer == Nothing && f.Known != RevokedIfStored
		if missing || liveRecord {
			return Dead, BySet, WriteTombstone
		}
		return Dead, BySet, 0
	}
	if f.Known == Named {
		return Dead, ByCookie, 0
	}
	nothing := f.Answer == Nothing
	answered := liveRecord || f.Answer == Tombstone || nothing && (f.Foreign || !f.Quarantined)
	away := f.Answer == StoreFailed || nothing && !answered
	vouched := f.Copy == Vouches && f.Mode != StoreOnly
	switch {
	case f.Answer == Tombstone:
		return Dead, ByStore, Learn
	case f.Known == LoginRevoked:
		return Dead, ByLogin, 0
	case f.Known == SupersededElsewhere:
		return Dead, ByPredecessor, WriteTombstone
	case liveRecord && f.Unwritable && f.Mode == Auto && !vouched:
		return Unknown, TooLongUnwritable, stale
	case f.Answer == CacheBehind:
		return AskStore, None, 0
	case f.Answer == Behind:
		return Live, None, Repair
	case f.Answer == Record:
		return Live, None, 0
	case vouched && away:
		return Serve, None, Degraded
	case vouched && answered && (!f.Foreign || f.NeverStored):
		switch f.Predecessor {
		case Unread:
			return ReadPredecessor, None, 0
		case EndedByOther:
			return Dead, ByPredecessor, WriteTombstone
		case OutOfReach:
			return Serve, None, Degraded
		case Undecided:
			return Unknown, LookError, 0
		}
		return Restore, None, 0
	case nothing && !answered:
		return Unknown, Forgetful, stale
	case answered && f.Excused:
		return Unknown, UnknownKey, stale
	case answered:
		return NoSession, None, stale
	}
	return Unknown, LoadError, stale
}

func TestEveryCombinationOfFacts(t *testing.T) {
	n := 0
	for f := range all {
		n++
		d := Read(f)
		verdict, cause, effects := expected(f)
		if d.Verdict != verdict || d.Cause != cause || d.Effects != effects {
			t.Fatalf("%+v: got %+v, want %v %v %v", f, d, verdict, cause, effects)
		}
	}
	if want := 7 * 7 * 3 * 3 * 5 * 32; n != want {
		t.Errorf("%d combinations, want %d", n, want)
	}
}

func TestWhatHoldsForEveryCombination(t *testing.T) {
	for f := range all {
		d := Read(f)
		check := func(holds bool, sentence string) {
			t.Helper()
			if !holds {
				t.Fatalf("%+v: %+v: %s", f, d, sentence)
			}
		}
		fromCopy := d.Verdict == Serve || d.Verdict == Restore || d.Verdict == ReadPredecessor
		leads := f.Known == RotatedLately && (f.Answer == CacheBehind || f.Answer == StoreFailed || f.Answer == NoAnswer)
		dead := f.Known != NotDead && !leads || f.Answer == Tombstone
		storeFailed := f.Answer == StoreFailed || f.Answer == Nothing && (f.Quarantined || f.Predecessor == OutOfReach)
		check(!dead || d.Verdict == Dead, "dead wins over everything")
		check(!leads || d.Verdict == Unknown || d.Verdict == AskStore, "where a rotation leads the store says")
		check(d.Verdict != Serve || storeFailed, "a copy is served only where the failure is the store's")
		check(!fromCopy || f.Copy == Vouches && f.Mode != StoreOnly, "only a copy that vouches stands in, and none with store only")
		check(f.Answer != NoAnswer || d.Verdict == Dead || d.Verdict == Unknown, "no copy takes the place of an answer that is not the store's failure")
		check(d.Verdict != NoSession || f.Answer == Nothing, "only a store that answers nothing has no session")
		check(d.Verdict != NoSession || !f.Quarantined || f.Foreign, "nothing in quarantine is not no session")
		check(d.Verdict != NoSession || !f.Excused, "a rotation of keys logs nobody out")
		check(d.Verdict != Restore || f.Answer == Nothing, "only a record that is not there is created")
		check(!fromCopy || f.Answer != Nothing || !f.Foreign || f.NeverStored, "with a foreign format nothing means ended")
		check(d.Verdict != Unknown || d.Effects&^ReportStale == 0, "unknown changes nothing")
		check(d.Verdict != Dead || d.Cause != None, "a death has a tombstone")
		check(d.Because != "", "a row decides")
	}
}

// Each row decides something, and without it something else would come of that.
func TestEveryRowIsNeeded(t *testing.T) {
	var needed [len(table)]bool
	for f := range all {
		for i := range table {
			if needed[i] {
				continue
			}
			with, without := read(&f, len(table)), read(&f, i)
			with.Because, without.Because = "", ""
			needed[i] = with != without
		}
	}
	for i, is := range needed {
		if !is {
			t.Errorf("row %d (%s) can go", i, table[i].then.Because)
		}
	}
}

func TestEveryRowIsASentenceOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for i, row := range table {
		if row.then.Because == "" || !strings.Contains(text, row.then.Because) {
			t.Errorf("row %d: docs/ARCHITECTURE.md does not say %q", i, row.then.Because)
		}
	}
}

func TestAPlainReadAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, func() {
		if Read(Facts{}).Verdict != Live {
			t.Error("a live record is not live")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	for name, f := range map[string]Facts{"plain": {}, "last row": {Answer: Nothing}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Read(f)
			}
		})
	}
}
