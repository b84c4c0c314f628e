package members

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

func TestAMissingSegmentIsWaitedForTenIntervals(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1, 2)
		time.Sleep(promised)
		all[0].crash() // its row counts for three minutes, and nobody else has its log
		<-all[0].gone
		f.evict("log-")
		late := start(f, 9)
		time.Sleep(9 * time.Second)
		if late.Complete(time.Now()) {
			t.Error("complete before ten intervals")
		}
		time.Sleep(3 * time.Second)
		if !late.Complete(time.Now()) {
			t.Error("not complete after ten intervals")
		}
		r, err := late.Exchange(t.Context())
		if err != nil || r.Missing != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		f.count()
		time.Sleep(20 * second)
		if loads, _, _ := f.count(); loads > 25 {
			t.Errorf("%d loads in twenty intervals: it is asked for as often as before", loads)
		}
		time.Sleep(4 * time.Minute)
		if m := f.members(t); len(m.Rows) != 1 || len(m.Asked) != 0 {
			t.Errorf("%d rows, %d asked for", len(m.Rows), len(m.Asked))
		}
		late.crash()
		<-late.gone
	})
}

func TestASegmentThatIsGarbageCountsAsMissing(t *testing.T) {
	for name, data := range map[string][]byte{
		"garbage":          {1, 2, 3},
		"another magic":    []byte("nonsense"),
		"a later format":   laterFormat("HFS"), // under the name of a log whose owner is there
		"of another place": revoked.Segment{First: 640, Tombstones: []revoked.Tombstone{tombstone(1)}}.Append(nil),
		"too short":        revoked.Segment{Tombstones: []revoked.Tombstone{tombstone(0)}}.Append(nil),
	} {
		world(t, 1, func(t *testing.T, f *store, all []*process) {
			all[0].mustEnd(t, 0, 1)
			time.Sleep(promised)
			f.put(recordid.Numbered(recordid.Segment(all[0].own.name, false, 0), 0), data)
			late := start(f, 9)
			time.Sleep(100 * time.Millisecond)
			if late.Complete(time.Now()) {
				t.Errorf("%s: complete", name)
			}
			time.Sleep(3 * time.Second)
			wantKnown(t, late, name, 0, 1)
			late.crash()
			<-late.gone
		})
	}
}

func TestASegmentOfALaterProgramIsNotAskedFor(t *testing.T) {
	world(t, 1, func(t *testing.T, f *store, all []*process) {
		all[0].mustEnd(t, 1)
		time.Sleep(promised)
		all[0].crash()
		<-all[0].gone
		f.put(recordid.Numbered(recordid.Segment(all[0].own.name, false, 0), 0), laterFormat("HFS"))
		late := start(f, 9)
		time.Sleep(3 * time.Second)
		if late.Complete(time.Now()) || len(f.members(t).Asked) > 0 {
			t.Errorf("complete %v, asked for %v", late.Complete(time.Now()), f.members(t).Asked)
		}
		late.crash()
		<-late.gone
	})
}

func TestPositionsThatExpireAreReadNoMore(t *testing.T) {
	r := &reader{}
	r.follow(revoked.Row{Next: 2100})
	r.follow(revoked.Row{First: 1024, Next: 2100})
	for _, p := range r.parts {
		if p.from < 1024 {
			t.Errorf("the positions from %d to %d are read", p.from, p.to)
		}
	}
	if len(r.parts) != 2 {
		t.Errorf("%d parts are read, want a block and a small part", len(r.parts))
	}
}

func TestABlockThatWasClosedEarlyIsReadToItsEnd(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		for n := range 1000 {
			all[0].mustEnd(t, n)
		}
		time.Sleep(promised)
		name := all[0].own.name
		all[0].mustEnd(t, seq(1000, 1300)...)
		time.Sleep(promised)
		wantKnown(t, all[1], "over the end of the block", seq(0, 1300)...)
		if !all[1].Complete(time.Now()) || all[0].own.name != name {
			t.Error("the end of the block was missed")
		}
	})
}
