package spool_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/state"
)

// entries are one of each kind, with each flag alone and all together.
func entries() (all []spool.Entry) {
	all = append(all, spool.Entry{ID: "settled", Kind: spool.Settled})
	for bits := range 4 {
		c := hint("hint", "value", 3<<16)
		c.Born = bits&1 != 0
		c.Supersedes = []state.Superseded{{ID: "before", Dot: state.Dot{Clock: 1, Instance: 2}, Predecessor: true}}
		all = append(all, spool.Entry{ID: "hint", Kind: spool.Hint, Owed: journal.Undelivered{Hint: &c, Anonymous: bits&2 != 0}})
	}
	tombstone := func(change func(*journal.Tombstone)) {
		t := journal.Owed("tombstone", death(9<<16))
		change(&t)
		all = append(all, spool.Entry{ID: t.ID, Kind: spool.Tombstone, Owed: journal.Undelivered{Tombstone: t}})
	}
	for _, change := range []func(*journal.Tombstone){
		func(*journal.Tombstone) {},
		func(t *journal.Tombstone) { t.Successor = "successor" },
		func(t *journal.Tombstone) { t.Again = true },
		func(t *journal.Tombstone) { t.Rotated = true },
		func(t *journal.Tombstone) { t.IfLive = true },
		func(t *journal.Tombstone) { t.Conflict = true },
		func(t *journal.Tombstone) { t.EndsSuccessors = true },
		func(t *journal.Tombstone) { t.Unverified = true },
		func(t *journal.Tombstone) { t.IfStored = true },
		func(t *journal.Tombstone) { t.Stranger = true },
		func(t *journal.Tombstone) {
			t.Again, t.Rotated = true, true
			t.IfLive, t.IfStored = true, true
			t.Conflict, t.EndsSuccessors = true, true
			t.Unverified, t.Stranger = true, true
		},
	} {
		tombstone(change)
	}
	for _, reason := range []state.Reason{state.Destroyed, state.Renewed, state.Revoked, state.Rotated} {
		r := spool.Revocation{ID: "revoked", Dot: state.Dot{Clock: 1 << 62, Instance: 1 << 31}, Reason: reason, Class: 200, Successor: "next", Until: 1 << 41}
		all = append(all, spool.Entry{ID: r.ID, Kind: spool.Revoked, Revocation: r})
	}
	return all
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	for _, e := range entries() {
		got, err := spool.Decode(spool.Encode(e))
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v\nwas read as %+v, %v", e, got, err)
		}
	}
}

// TestEveryFieldOfATombstoneIsWritten fails where a field is added to a tombstone
// that the file does not have.
func TestEveryFieldOfATombstoneIsWritten(t *testing.T) {
	whole := reflect.ValueOf(&journal.Tombstone{ID: "tombstone", Death: death(9 << 16), Pending: true}).Elem()
	for i := range whole.NumField() {
		f := whole.Type().Field(i)
		if !f.IsExported() || f.Name == "Pending" || f.Name == "ID" || f.Name == "Death" || f.Name == "From" {
			continue // no log has a tombstone that the store lacks
		}
		v := reflect.New(whole.Type()).Elem()
		v.Set(whole)
		switch f.Type.Kind() {
		case reflect.Bool:
			v.Field(i).SetBool(true)
		case reflect.Int64:
			v.Field(i).SetInt(3)
		case reflect.String:
			v.Field(i).SetString("x")
		default:
			t.Fatalf("field %s is of a kind that this test does not know", f.Name)
		}
		e := spool.Entry{ID: "tombstone", Kind: spool.Tombstone, Owed: journal.Undelivered{Tombstone: v.Interface().(journal.Tombstone)}}
		if got, err := spool.Decode(spool.Encode(e)); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("with %s: %+v, %v", f.Name, got, err)
		}
	}
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, e := range entries() {
		whole := spool.Encode(e)
		for n := range whole {
			if got, err := spool.Decode(whole[:n]); err == nil && e.Kind != spool.Hint && e.Kind != spool.Tombstone {
				t.Errorf("%d bytes of %x were read as %+v", n, whole, got)
			}
		}
		for range 200 {
			other := bytes.Clone(whole)
			other[random.IntN(len(other))] ^= byte(1 + random.IntN(255))
			got, err := spool.Decode(other)
			if err != nil {
				continue
			}
			if again, err := spool.Decode(spool.Encode(got)); err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%x was read as %+v, and again as %+v, %v", other, got, again, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range entries() {
		f.Add(spool.Encode(e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := spool.Decode(b)
		if err != nil {
			return
		}
		again, err := spool.Decode(spool.Encode(e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%+v was read again as %+v, %v", e, again, err)
		}
	})
}

func TestAHintUnderAnotherIDIsRefused(t *testing.T) {
	c := hint("hint", "value", 3<<16)
	e := spool.Entry{ID: "other", Kind: spool.Hint, Owed: journal.Undelivered{Hint: &c}}
	if got, err := spool.Decode(spool.Encode(e)); err == nil {
		t.Errorf("it was read as %+v", got)
	}
}

func TestARevocationIsReadWhole(t *testing.T) {
	r := spool.Revocation{ID: "revoked", Dot: death(1 << 16).Dot, Reason: state.Revoked}
	whole := spool.Encode(spool.Entry{ID: r.ID, Kind: spool.Revoked, Revocation: r})
	if got, err := spool.Decode(append(whole, 0)); err == nil {
		t.Errorf("with one byte more it was read as %+v", got)
	}
	r.Reason = state.Rotated + 1
	if got, err := spool.Decode(spool.Encode(spool.Entry{ID: r.ID, Kind: spool.Revoked, Revocation: r})); err == nil {
		t.Errorf("with a reason that there is not it was read as %+v", got)
	}
}
