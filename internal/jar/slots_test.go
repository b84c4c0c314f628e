package jar_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/jar"
)

// start is any moment: Slots has no clock of its own.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// take is Take of one part in four slots, and what it must answer.
func take(t *testing.T, v *jar.Visit, name string, set, drop jar.Mask) {
	t.Helper()
	takeParts(t, v, name, 1, set, drop)
}

func takeParts(t *testing.T, v *jar.Visit, name string, parts int, set, drop jar.Mask) {
	t.Helper()
	gotSet, gotDrop := v.Take(name, parts, start)
	if gotSet != set || gotDrop != drop {
		t.Errorf("Take(%q, %d parts): got set %04b and drop %04b, want %04b and %04b",
			name, parts, gotSet, gotDrop, set, drop)
	}
}

func empty(t *testing.T, s *jar.Slots) {
	t.Helper()
	if got := s.Len(); got != 0 {
		t.Errorf("Len: got %d sessions that nobody needs, want 0", got)
	}
}

func TestSlots(t *testing.T) {
	enter := func(s *jar.Slots, carried jar.Mask, names ...string) *jar.Visit {
		return s.Enter("id", carried, names, start)
	}
	tests := []struct {
		is   string
		tell func(t *testing.T, s *jar.Slots)
	}{
		{"one request after the other moves on, and deletes what it carried", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0)
			take(t, v, "a", 0b0001, 0)
			v.Leave(start)
			v = enter(s, 0b0001, "a")
			take(t, v, "b", 0b0010, 0b0001)
			v.Leave(start)
			v = enter(s, 0b0010, "b")
			take(t, v, "c", 0b0001, 0b0010)
		}},
		{"two that overlap get two slots", func(t *testing.T, s *jar.Slots) {
			v, w := enter(s, 0b0001), enter(s, 0b0001)
			take(t, v, "a", 0b0010, 0b0001)
			take(t, w, "b", 0b0100, 0b0001)
		}},
		{"what another only carried is not free", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0)
			enter(s, 0b0011)
			take(t, v, "a", 0b0100, 0)
		}},
		{"an answer is on its way after its request has left", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0001)
			take(t, v, "a", 0b0010, 0b0001)
			v.Leave(start)
			take(t, enter(s, 0b0001), "b", 0b0100, 0b0001)
		}},
		{"an answer has arrived when a request carries what it set, even before it has left", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0001)
			take(t, v, "a", 0b0010, 0b0001)
			w := enter(s, 0b0010, "a")
			take(t, w, "b", 0b0001, 0b0010)
			v.Leave(start)
			w.Leave(start)
			enter(s, 0b0001, "b").Leave(start)
			empty(t, s)
		}},
		{"what arrived is still not free for who did not carry it", func(t *testing.T, s *jar.Slots) {
			early := enter(s, 0)
			v := enter(s, 0)
			take(t, v, "a", 0b0001, 0)
			v.Leave(start)
			enter(s, 0b0001, "a").Leave(start)
			take(t, early, "b", 0b0010, 0)
		}},
		{"who sets nothing holds nothing afterwards", func(t *testing.T, s *jar.Slots) {
			enter(s, 0b0001).Leave(start)
			empty(t, s)
			take(t, enter(s, 0), "a", 0b0001, 0)
		}},
		{"sessions do not meet", func(t *testing.T, s *jar.Slots) {
			take(t, s.Enter("id", 0, nil, start), "a", 0b0001, 0)
			take(t, s.Enter("ID", 0, nil, start), "b", 0b0001, 0)
		}},
		{"sessions without an ID do not meet", func(t *testing.T, s *jar.Slots) {
			v, w := s.Enter("", 0, nil, start), s.Enter("", 0, nil, start)
			take(t, v, "a", 0b0001, 0)
			take(t, w, "b", 0b0001, 0)
			v.Leave(start)
			w.Leave(start)
			empty(t, s)
		}},
		{"a session that gets its first ID is known by it", func(t *testing.T, s *jar.Slots) {
			v := s.Enter("", 0, nil, start)
			take(t, v, "a", 0b0001, 0)
			v.Also("id")
			v.Leave(start)
			take(t, enter(s, 0), "b", 0b0010, 0)
		}},
		{"parts lie together", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0001)
			takeParts(t, v, "a", 2, 0b1100, 0b0001)
		}},
		{"a slot of three leaves the last cookie alone", func(t *testing.T, s *jar.Slots) {
			takeParts(t, enter(s, 0b1000), "a", 3, 0b0111, 0b1000)
		}},
		{"slots beyond what there is do not exist", func(t *testing.T, s *jar.Slots) {
			v, w := enter(s, 0), enter(s, 0)
			takeParts(t, v, "a", 9, 0b1111, 0)
			takeParts(t, w, "b", 0, 0b0001, 0)
		}},
		{"with one slot a request overwrites what it carried", func(t *testing.T, s *jar.Slots) {
			takeParts(t, enter(s, 0b1001), "a", 3, 0b0111, 0b1000)
		}},
		{"no free slot: rather one that nobody else carried", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0111)
			enter(s, 0b1011)
			take(t, v, "a", 0b0100, 0b0011)
		}},
		{"no free slot: rather what nobody else set, and that is not deleted", func(t *testing.T, s *jar.Slots) {
			v, w := enter(s, 0b1111), enter(s, 0b1111)
			take(t, v, "a", 0b0001, 0b1110)
			take(t, w, "b", 0b0010, 0b1100)
		}},
		{"no free slot, and none of its own: one that others only carried", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0)
			take(t, enter(s, 0b1110), "b", 0b0001, 0b1110)
			take(t, v, "a", 0b0010, 0)
		}},
		{"at last the one that was taken longest ago", func(t *testing.T, s *jar.Slots) {
			for _, want := range []jar.Mask{1, 2, 4, 8, 1, 2, 4} {
				take(t, enter(s, 0), fmt.Sprint("n", want), want, 0)
			}
		}},
		{"a second Take stays where it was", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0001)
			take(t, v, "a", 0b0010, 0b0001)
			take(t, enter(s, 0b0001), "b", 0b0100, 0b0001)
			take(t, v, "A", 0b0010, 0b0001)
			v.Leave(start)
			take(t, enter(s, 0, "a"), "c", 0b1000, 0) // a was never sent
		}},
		{"a second Take moves when it has grown, and gives back what it had", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0001)
			take(t, v, "a", 0b0010, 0b0001)
			takeParts(t, v, "A", 2, 0b1100, 0b0001)
			take(t, enter(s, 0b0001), "b", 0b0010, 0b0001)
		}},
		{"after Leave nothing moves any more", func(t *testing.T, s *jar.Slots) {
			v := enter(s, 0b0001)
			take(t, v, "a", 0b0010, 0b0001)
			v.Leave(start)
			v.Leave(start)
			v.Also("other")
			takeParts(t, v, "b", 2, 0b0010, 0b0001)
			enter(s, 0b0010, "a").Leave(start)
			empty(t, s)
		}},
		{"who knows either ID shares the slots", func(t *testing.T, s *jar.Slots) {
			v, w := enter(s, 0), enter(s, 0)
			take(t, v, "a", 0b0001, 0)
			v.Also("new")
			v.Leave(start)
			x := s.Enter("new", 0, nil, start)
			take(t, x, "b", 0b0010, 0)
			take(t, w, "c", 0b0100, 0)
			w.Leave(start)
			x.Leave(start)
			s.Enter("new", 0b0111, []string{"a", "b"}, start).Leave(start)
			enter(s, 0b0111, "c").Leave(start)
			empty(t, s)
		}},
		{"two sessions that turn out to be one share from then on", func(t *testing.T, s *jar.Slots) {
			v, x := enter(s, 0b0001), s.Enter("new", 0b0010, nil, start)
			take(t, x, "a", 0b0001, 0b0010)
			v.Also("new")
			v.Also("new")
			take(t, v, "b", 0b0100, 0)
			x.Leave(start)
			v.Leave(start)
			s.Enter("id", 0b0101, []string{"a", "b"}, start).Leave(start)
			empty(t, s)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) { tt.tell(t, new(jar.Slots)) })
	}
}

func TestAnAnswerThatNobodyShowedIsForgottenAfter30Seconds(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		want  jar.Mask
	}{{30*time.Second - 1, 0b0010}, {30 * time.Second, 0b0001}} {
		var s jar.Slots
		v := s.Enter("id", 0, nil, start)
		take(t, v, "a", 0b0001, 0)
		v.Leave(start)
		now := start.Add(tt.after)
		if got, _ := s.Enter("id", 0, nil, now).Take("b", 1, now); got != tt.want {
			t.Errorf("%s after Leave: got the slot %04b, want %04b", tt.after, got, tt.want)
		}
	}
}

func TestOtherSessionsSweepWhatIsForgotten(t *testing.T) {
	var s jar.Slots
	for i := range 100 {
		v := s.Enter(fmt.Sprint("id", i), 0, nil, start)
		take(t, v, "a", 0b0001, 0)
		v.Leave(start)
	}
	if got := s.Len(); got != 100 {
		t.Fatalf("Len: got %d, want 100 answers on their way", got)
	}
	for range 25 { // two in Enter, two in Leave
		s.Enter("other", 0, nil, start.Add(time.Minute)).Leave(start.Add(time.Minute))
	}
	empty(t, &s)
}

func TestOneVisitorFillsNoMemory(t *testing.T) {
	var s jar.Slots
	stay := s.Enter("id", 0, nil, start)
	for i := range 1000 {
		v := s.Enter("id", 0, nil, start)
		v.Take(fmt.Sprint("n", i), 1, start)
		v.Also(fmt.Sprint("id", i))
		v.Leave(start)
	}
	if got := s.Len(); got != 17 {
		t.Errorf("Len: got %d IDs of one session, want 17", got)
	}
	stay.Leave(start)
	for range 17 { // each shows one of the answers that are remembered
		s.Enter("other", 0, nil, start.Add(time.Minute)).Leave(start.Add(time.Minute))
	}
	empty(t, &s)
}

func TestSlotsAreSharedByGoroutines(t *testing.T) {
	var s jar.Slots
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				id := fmt.Sprint("id", (g+i)%3)
				v := s.Enter(id, jar.Mask(i)&3, nil, start)
				if i%2 == 0 {
					v.Take(fmt.Sprint(g, i), 1+i%4, start)
				}
				if i%5 == 0 {
					v.Also(fmt.Sprint("id", i%7))
				}
				v.Leave(start)
			}
		})
	}
	wg.Wait()
	for range 100 {
		s.Enter("other", 0, nil, start.Add(time.Minute)).Leave(start.Add(time.Minute))
	}
	empty(t, &s)
}

func TestAVisitorWhoReadsCostsTwoAllocations(t *testing.T) {
	var s jar.Slots
	names := []string{"abcdef"}
	if got := testing.AllocsPerRun(1000, func() {
		s.Enter("id", 1, names, start).Leave(start)
	}); got > 2 {
		t.Errorf("Enter and Leave: got %v allocations, want at most 2", got)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	b.ReportAllocs()
	var s jar.Slots
	names := []string{"abcdef"}
	for b.Loop() {
		s.Enter("0123456789abcdef0123456789abcdef", 1, names, start).Leave(start)
	}
}

func BenchmarkEnterLeaveParallel(b *testing.B) {
	b.ReportAllocs()
	var s jar.Slots
	names := []string{"abcdef"}
	var n sync.Mutex
	id := 0
	b.RunParallel(func(pb *testing.PB) {
		n.Lock()
		id++
		mine := fmt.Sprintf("0123456789abcdef0123456789abcde%x", id)
		n.Unlock()
		for pb.Next() {
			s.Enter(mine, 1, names, start).Leave(start)
		}
	})
}

func BenchmarkEnterTakeLeave(b *testing.B) {
	b.ReportAllocs()
	var s jar.Slots
	carried, names := jar.Mask(0), []string{"abcdef"}
	for b.Loop() {
		v := s.Enter("0123456789abcdef0123456789abcdef", carried, names, start)
		carried, _ = v.Take("abcdef", 1, start)
		v.Leave(start)
	}
}
