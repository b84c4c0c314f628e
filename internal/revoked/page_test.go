package revoked

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestPagesAreAllOfTheSet(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := New(1 << 30)
		for n := range r.IntN(2000) {
			s.Add(tombstone(n, Class(r.IntN(int(classes)))), uint32(n))
			if r.IntN(4) == 0 {
				s.Remove(idOf(r.IntN(n + 1)))
			}
		}
		want := slices.Collect(s.All)
		var got []Tombstone
		var at Cursor
		for {
			page, next := s.Page(at, 1+r.IntN(100))
			got = append(got, page...)
			at = next
			if len(page) == 0 {
				break
			}
			s.Add(tombstone(10_000+len(got), classes-1), 5000) // it is not part of the walk
		}
		if !slices.EqualFunc(got, want, func(a, b Tombstone) bool { return a == b }) {
			t.Fatalf("seed %d: the pages have %d tombstones, the set had %d", seed, len(got), len(want))
		}
	}
}

func TestAWalkGoesOnWhereItsPlaceHasGone(t *testing.T) {
	s := New(1 << 30)
	for n := range 1000 {
		s.Add(tombstone(n, Known), uint32(n))
	}
	page, at := s.Page(Cursor{}, 100)
	if len(page) != 100 || page[0].ID != idOf(999) {
		t.Fatalf("the first page has %d, from %v", len(page), page[0].ID)
	}
	s.Expire(2000, 2000)
	if page, _ = s.Page(at, 100); len(page) != 0 {
		t.Errorf("%d are there, and all have expired", len(page))
	}
	s.Add(tombstone(1, Known), 3000)
	if page, _ = s.Page(at, 100); len(page) != 0 {
		t.Errorf("what came since is part of the walk: %v", page)
	}
}

func TestIDs(t *testing.T) {
	const own = "00112233445566778899aabbccddeeff"
	if id := IDOf(own); id.String() != own {
		t.Errorf("%s became %s", own, id)
	}
	for _, other := range []string{strings.ToUpper(own), own[1:], own + "0", strings.Replace(own, "f", "g", 1), strings.Replace(own, "0", "/", 1), ""} {
		if _, ok := ParseID(other); ok {
			t.Errorf("%q is an ID of ours", other)
		}
		if id := IDOf(other); id == IDOf(own) || id != IDOf(other) {
			t.Errorf("%q became %v", other, id)
		}
	}
}
