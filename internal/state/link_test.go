package state

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var successor = strings.Repeat("f", 32)

func TestALinkHoldsWhatARotationWrote(t *testing.T) {
	d, at := Dot{clockAt(noon.Add(time.Second)), 7}, noon
	random := [LinkRandom]byte{1, 2, LinkRandom - 1: 3}
	l := NewLink(d, at, random, successor)
	if l.Dot() != d || l.Random() != string(random[:]) || l.Successor() != successor || l.millis() != uint64(at.UnixMilli()) {
		t.Errorf("link = %v, %x, %s, %d", l.Dot(), l.Random(), l.Successor(), l.millis())
	}
	if len(l) != linkSize {
		t.Errorf("a link has %d bytes, want %d", len(l), linkSize)
	}
	if got := Link("").Successor(); got != "" {
		t.Errorf("the empty link leads to %q", got)
	}
	for _, test := range []struct {
		name string
		d    Death
		want time.Time
	}{
		{"a rotation ends a session by the wall clock", Death{Dot: d, Reason: Rotated, Link: l}, at},
		{"a logout after a rotation ends it by its own dot", Death{Dot: Dot{clockAt(noon.Add(time.Minute)), 8}, Reason: Destroyed, Link: l}, noon.Add(time.Minute)},
		{"a logout ends it by its dot", Death{Dot: d, Reason: Destroyed}, noon.Add(time.Second)},
		{"a rotation without a link counts by its dot", Death{Dot: d, Reason: Rotated}, noon.Add(time.Second)},
	} {
		if got := test.d.Time(); !got.Equal(test.want) {
			t.Errorf("%s: time = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestABareLinkNamesTheSuccessorAlone(t *testing.T) {
	l := BareLink(successor)
	if l.Dot() != (Dot{}) || l.Successor() != successor {
		t.Errorf("the link is of %v, to %s", l.Dot(), l.Successor())
	}
	full := NewLink(Dot{1, 1}, noon, [LinkRandom]byte{}, strings.Repeat("0", 32))
	if max(l, full) != full {
		t.Error("a bare link takes the place of a full one")
	}
}

func TestOnlyTheEndOfASessionThatWasReplacedEndsItsLine(t *testing.T) {
	rotated := strings.Repeat("e", 32)
	for reason := Destroyed; reason <= Rotated; reason++ {
		for _, made := range [][]string{nil, {successor}, {rotated}, {successor, rotated}} {
			d := Death{Reason: reason}
			if slices.Contains(made, successor) {
				d = d.Follow(successor)
			}
			if slices.Contains(made, rotated) {
				d.Link = BareLink(rotated)
			}
			want := made
			if reason == Renewed || reason == Rotated {
				want = nil
			}
			if got := d.EndedSuccessors(); !slices.Equal(got, want) {
				t.Errorf("a death of reason %d ends %q, want %q", reason, got, want)
			}
		}
	}
	if got := (Death{Reason: Renewed}).Follow("a name of another system"); got.Successor != "" {
		t.Errorf("the death names %q", got.Successor)
	}
}

func TestOnlyDeathsThatAreWrittenAreRead(t *testing.T) {
	d, other := Dot{5, 7}, Dot{5, 8}
	link := NewLink(d, noon, [LinkRandom]byte{1}, successor)
	for _, test := range []struct {
		name string
		d    Death
		want bool
	}{
		{"a logout", Death{Dot: d, Reason: Destroyed}, true},
		{"the last reason but rotation", Death{Dot: d, Reason: Revoked}, true},
		{"a rotation", Death{Dot: d, Reason: Rotated, Link: link}, true},
		{"a logout after a rotation", Death{Dot: other, Reason: Destroyed, Link: link}, true},
		{"a rotation that leads nowhere", Death{Dot: d, Reason: Rotated}, false},
		{"a rotation with the link of another", Death{Dot: other, Reason: Rotated, Link: link}, false},
		{"a link that is too short", Death{Dot: d, Reason: Rotated, Link: link[:linkSize-1]}, false},
		{"a link that is too long", Death{Dot: d, Reason: Destroyed, Link: link + "f"}, false},
		{"a bare link", Death{Dot: d, Reason: Rotated, Link: BareLink(successor)}, true},
		{"a Renew that names its successor", Death{Dot: d, Reason: Renewed}.Follow(successor), true},
		{"a logout of nobody known", Death{Dot: d, Reason: Destroyed, Anonymous: true}, true},
		{"a logout after it", Death{Dot: other, Reason: Destroyed, Successor: successor}, true},
		{"a Renew after a rotation", Death{Dot: other, Reason: Renewed, Link: link, Successor: successor}, true},
		{"a name that is too short", Death{Dot: d, Reason: Renewed, Successor: successor[1:]}, false},
		{"a rotation that names a session and has no link", Death{Dot: d, Reason: Rotated, Successor: successor}, false},
		{"the last time of a rotation", Death{Dot: d, Reason: Rotated, Link: NewLink(d, time.UnixMilli(maxMillis), [LinkRandom]byte{}, successor)}, true},
		{"a time after the last", Death{Dot: d, Reason: Rotated, Link: NewLink(d, time.UnixMilli(maxMillis+1), [LinkRandom]byte{}, successor)}, false},
		{"an unknown reason", Death{Dot: d, Reason: Rotated + 1}, false},
	} {
		got, err := Decode(State{Death: test.d}.Encode())
		switch {
		case test.want && (err != nil || got.Death != test.d):
			t.Errorf("%s became %v, %v", test.name, got.Death, err)
		case !test.want && !errors.Is(err, ErrCorrupt):
			t.Errorf("%s was read: %v, %v", test.name, got.Death, err)
		}
	}
}

func smallDeaths() (all []Death) {
	links := []Link{"", BareLink(successor), NewLink(Dot{1, 1}, noon, [LinkRandom]byte{1}, successor), NewLink(Dot{2, 1}, noon, [LinkRandom]byte{0}, successor)}
	for _, d := range []Dot{{1, 1}, {1, 2}, {2, 1}} {
		for reason := Destroyed; reason <= Rotated; reason++ {
			for _, l := range links {
				one := Death{Dot: d, Reason: reason, Link: l, Anonymous: len(all)%2 == 0}
				other := one.Follow(successor)
				other.Anonymous = len(all)%3 == 0
				all = append(all, one, other)
			}
		}
	}
	return all
}

func TestJoinDeathsIsASemilattice(t *testing.T) {
	all := smallDeaths()
	for _, a := range all {
		if got := JoinDeaths(a, a); got != a {
			t.Fatalf("join is not idempotent: %v became %v", a, got)
		}
		for _, b := range all {
			ab := JoinDeaths(a, b)
			if ab != JoinDeaths(b, a) {
				t.Fatalf("join is not commutative: %v, %v", a, b)
			}
			for _, c := range all {
				if JoinDeaths(ab, c) != JoinDeaths(a, JoinDeaths(b, c)) {
					t.Fatalf("join is not associative: %v, %v, %v", a, b, c)
				}
			}
		}
	}
}

func TestJoinDeathsKeepsTheEndAndTheLink(t *testing.T) {
	for _, a := range smallDeaths() {
		for _, b := range smallDeaths() {
			got := JoinDeaths(a, b)
			if got.rank() != max(a.rank(), b.rank()) {
				t.Fatalf("%v and %v became %v: how the session ended is hidden", a, b, got)
			}
			if got.Link != max(a.Link, b.Link) {
				t.Fatalf("%v and %v became %v: the later link is lost", a, b, got)
			}
			if got.Anonymous != (a.Anonymous && b.Anonymous) {
				t.Fatalf("%v and %v became %v: whether it was anonymous is lost", a, b, got)
			}
			if got.Successor != max(a.Successor, b.Successor) {
				t.Fatalf("%v and %v became %v: the successor's name is lost", a, b, got)
			}
			if a.rank() == b.rank() && got.Dot.compare(a.Dot) < 0 {
				t.Fatalf("%v and %v became %v, which is earlier", a, b, got)
			}
		}
	}
}
