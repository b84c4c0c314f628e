package jar_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/jar"
)

// expired is when no answer that left at start is on its way any more.
var expired = start.Add(30 * time.Second)

// four lets answers that overlap take one slot each, and returns their visits.
func four(t *testing.T, s *jar.Slots, id string) (all [4]*jar.Visit) {
	t.Helper()
	for i := range all {
		all[i] = s.Enter(id, 0, nil, start)
		take(t, all[i], fmt.Sprint("answer ", i), 1<<i, 0)
	}
	return all
}

func leave(at time.Time, all ...*jar.Visit) {
	for _, v := range all {
		v.Leave(at)
	}
}

func TestAnswersThatNobodyShowedAreForgottenAtOnce(t *testing.T) {
	var s jar.Slots
	visits := four(t, &s, "id")
	leave(start, visits[:]...)
	v := s.Enter("id", 0b1111, []string{"another"}, expired)
	if set, drop := v.Take("next", 1, expired); set != 0b0001 || drop != 0b1110 {
		t.Errorf("got set %04b and drop %04b, want all others dropped", set, drop)
	}
}

func TestOfTooManyAnswersTheOldestIsForgotten(t *testing.T) {
	var s jar.Slots
	for i := range 16 {
		v := s.Enter("id", 0, nil, start)
		v.Take(fmt.Sprint("answer ", i), 1, start)
		v.Leave(start)
	}
	later := start.Add(20 * time.Second)
	newest := s.Enter("id", 0, nil, later)
	set, _ := newest.Take("newest", 1, later)
	newest.Leave(later)
	v := s.Enter("id", 0b1111, nil, expired)
	other, drop := v.Take("next", 1, expired)
	if other&set != 0 || drop&set != 0 {
		t.Errorf("the newest answer set %04b, and the next sets %04b and drops %04b", set, other, drop)
	}
}

func TestAnAnswerStaysWhereItIs(t *testing.T) {
	var s jar.Slots
	visits := four(t, &s, "id")
	take(t, s.Enter("id", 0, nil, start), "forced", 0b0001, 0)
	take(t, visits[0], "once more", 0b0001, 0)
}

func TestTheSlotOfWhichBothPartsAreOlderIsGivenAgain(t *testing.T) {
	var s jar.Slots
	four(t, &s, "id")
	take(t, s.Enter("id", 0, nil, start), "over the first", 0b0001, 0)
	takeParts(t, s.Enter("id", 0, nil, start), "long", 2, 0b1100, 0)
}

// What is only carried is a copy of before; what is set is one that nobody has
// seen.
func TestWhatIsSetIsSparedRatherThanWhatIsCarried(t *testing.T) {
	var s jar.Slots
	visits := four(t, &s, "id")
	leave(start, visits[:]...)
	s.Enter("id", 0b0010, []string{"answer 1"}, start)
	take(t, s.Enter("id", 0, nil, start), "next", 0b0010, 0)
}

func TestARequestLeavesOnce(t *testing.T) {
	var s jar.Slots
	v, w := s.Enter("id", 0, nil, start), s.Enter("id", 0, nil, start)
	leave(start, v, v)
	if s.Len() != 1 {
		t.Error("the session is forgotten although a request lasts")
	}
	w.Leave(start)
	empty(t, &s)
}

func TestAnEmptyIDIsNone(t *testing.T) {
	var s jar.Slots
	v, w := s.Enter("", 0, nil, start), s.Enter("", 0, nil, start)
	v.Also("")
	w.Also("")
	take(t, v, "a", 0b0001, 0)
	take(t, s.Enter("", 0, nil, start), "b", 0b0001, 0)
	empty(t, &s)
}

func TestTwoIDsOfOneSession(t *testing.T) {
	for _, test := range []struct {
		is   string
		tell func(t *testing.T, s *jar.Slots, one, other *jar.Visit)
	}{
		{"what the other holds is not free, however long it has held it", func(t *testing.T, _ *jar.Slots, one, other *jar.Visit) {
			take(t, other, "a", 0b0001, 0)
			one.Also("other")
			take(t, one, "b", 0b0010, 0)
		}},
		{"what the other held before is not free", func(t *testing.T, s *jar.Slots, _, other *jar.Visit) {
			take(t, other, "a", 0b0001, 0)
			late := s.Enter("one", 0, nil, start)
			late.Also("other")
			take(t, late, "b", 0b0010, 0)
		}},
		{"a request under the other ID still lasts", func(t *testing.T, s *jar.Slots, one, other *jar.Visit) {
			one.Also("other")
			one.Leave(start)
			if s.Len() != 2 {
				t.Errorf("%d IDs are known, want both", s.Len())
			}
			other.Leave(start)
			empty(t, s)
		}},
		{"an answer under the other ID is still on its way", func(t *testing.T, s *jar.Slots, one, other *jar.Visit) {
			take(t, other, "a", 0b0001, 0)
			other.Leave(start)
			one.Also("other")
			one.Leave(start)
			if s.Len() != 2 {
				t.Errorf("%d IDs are known, want both", s.Len())
			}
			s.Enter("one", 0b0001, []string{"a"}, start).Leave(start)
			empty(t, s)
		}},
		{"a third ID of the other leads to the same session", func(t *testing.T, s *jar.Slots, one, other *jar.Visit) {
			other.Also("third")
			one.Also("other")
			take(t, one, "a", 0b0001, 0)
			third := s.Enter("third", 0, nil, start)
			take(t, third, "b", 0b0010, 0)
			leave(start, one, other, third)
			s.Enter("third", 0b0011, []string{"a", "b"}, start).Leave(start)
			empty(t, s)
		}},
	} {
		t.Run(test.is, func(t *testing.T) {
			var s jar.Slots
			other := s.Enter("other", 0, nil, start)
			test.tell(t, &s, s.Enter("one", 0, nil, start), other)
		})
	}
}

func TestThereAreFourCookies(t *testing.T) {
	all := ^jar.Mask(0)
	for cookie := -1; cookie < 9; cookie++ {
		if got, want := all.Has(cookie), cookie >= 0 && cookie < jar.Most; got != want {
			t.Errorf("all cookies have number %d: %v, want %v", cookie, got, want)
		}
	}
	if got := jar.Bytes("name", "value"); got != len("name=value; ") {
		t.Errorf("a cookie takes up %d bytes, want %d", got, len("name=value; "))
	}
	c := carry("0=abcdef.0.5.a", "1=abcdef.1.5.b", "2=abcdef.2.5.c", "3=abcdef.3.5.d", "3=abcdef.4.5.e")
	if got := copiesOf(c); got != nil || !c.Incomplete() {
		t.Errorf("five parts make %q, and are complete: %v", got, !c.Incomplete())
	}
	var noted jar.Carried
	noted.Note(2)
	if got := noted.Cookies(); got != 0b0100 || noted.Incomplete() {
		t.Errorf("a cookie that is not worth keeping: got %04b, incomplete %v, want %04b alone", got, noted.Incomplete(), 0b0100)
	}
}
