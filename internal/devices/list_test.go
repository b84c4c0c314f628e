package devices

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

func dot(clock uint64) state.Dot { return state.Dot{Clock: clock, Instance: 7} }

// seen returns the row of a session that was seen at a time and ends at 1,000,000.
func seen(session string, at int64) Row {
	return Row{Session: session, Began: 1, Renewed: 2, Seen: at, Ends: 1_000_000}
}

func sessions(l List, now int64) string {
	var all []string
	for _, r := range l.Rows(now) {
		all = append(all, r.Session)
	}
	return strings.Join(all, " ")
}

func TestIDsTellUsersApart(t *testing.T) {
	all := map[string]string{}
	for _, user := range []string{"", "ann", "Ann", "ann\x00", strings.Repeat("x", 255)} {
		id := ID(user)
		if !recordid.Reserved(id) {
			t.Errorf("%q: %s is the ID of a session", user, id)
		}
		if other, ok := all[id]; ok {
			t.Errorf("%q and %q have one record", user, other)
		}
		all[id] = user
	}
	if got, want := ID("ann"), "user-b807320ed0055ae413f0fdc715ede548"; got != want {
		t.Errorf("the ID of ann is %s, want %s: lists that stand would not be found", got, want)
	}
}

func TestARowComesBackAsItWas(t *testing.T) {
	want := Row{Session: "a", Began: 1, Renewed: 1 << 40, Seen: 3, Ends: 1 << 41, LoggedIn: 1 << 42, Login: 1<<64 - 1, Idle: 5}
	l := List{}.Put(want, dot(11))
	st, err := state.Decode(l.Encode(5).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got := Decode(st).Rows(0); !reflect.DeepEqual(got, []Row{want}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if st.End != want.Ends {
		t.Errorf("the record ends at %d, want with its session at %d", st.End, want.Ends)
	}
	if got := (List{}).Encode(5).End; got != 5+remembers {
		t.Errorf("an empty list ends at %d", got)
	}
}

func TestThoseSeenLastComeFirst(t *testing.T) {
	l := List{}.Put(seen("a", 10), dot(20)).Put(seen("b", 12), dot(21)).Put(seen("c", 11), dot(22))
	if got := sessions(l, 0); got != "b c a" {
		t.Errorf("got %q", got)
	}
	l = l.Put(seen("a", 13), dot(23))
	if got := sessions(l, 0); got != "a b c" {
		t.Errorf("got %q after a was seen again", got)
	}
}

// Changes that are saved together have one dot. The last of them counts.
func TestChangesOfOneDotCountInTheirOrder(t *testing.T) {
	l := List{}.Put(seen("b", 9), dot(10)).Put(seen("a", 12), dot(11)).Remove("a", dot(11)).Put(seen("c", 12), dot(11))
	if got := sessions(l, 0); got != "c b" {
		t.Errorf("got %q after the end of a", got)
	}
	for _, at := range []int64{127, 128, 16_383, 16_384} { // as varints, some of them are smaller
		l = l.Put(seen("b", at), dot(12))
		if got := l.Rows(0)[0].Seen; got != at {
			t.Errorf("b was seen at %d, want %d", got, at)
		}
	}
}

// A refresh that was under way when its session ended does not enter it again.
func TestWhatHasEndedStaysOut(t *testing.T) {
	l := List{}.Put(seen("a", 10), dot(10)).Remove("a", dot(11)).Put(seen("a", 12), dot(12))
	if got := sessions(l.Tidy(0), 0); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestSessionsAreOverAtTheirEnd(t *testing.T) {
	short := seen("short", 10)
	short.Ends = 50
	l := List{}.Put(short, dot(1)).Put(seen("long", 5), dot(2))
	for now, want := range map[int64]string{49: "short long", 50: "long", 1_000_000: ""} {
		if got := sessions(l, now); got != want {
			t.Errorf("at %d: got %q, want %q", now, got, want)
		}
		if tidy := l.Tidy(now); len(tidy.all()) != len(strings.Fields(want)) {
			t.Errorf("at %d: %d rows are kept, want %q", now, len(tidy.all()), want)
		}
	}
}

// Reservations count as sessions until they are over, and are not shown.
func TestReservationsAreClaims(t *testing.T) {
	held := seen(reservation+"1", 10)
	held.Ends = 50
	l := List{}.Put(held, dot(1)).Put(seen("a", 5), dot(2)).Put(seen("b", 6), dot(3))
	if got := sessions(l, 0); got != "b a" {
		t.Errorf("got %q", got)
	}
	for _, test := range []struct {
		now    int64
		except string
		want   int
	}{{0, "", 3}, {0, "a", 2}, {50, "", 2}, {50, "b", 1}, {0, "c", 3}} {
		if got := l.Claimed(test.now, []string{test.except}); got != test.want {
			t.Errorf("claimed at %d without %q: got %d, want %d", test.now, test.except, got, test.want)
		}
	}
}

// A hundred thousand logins and ends of one user leave what is live and no more than the
// bound besides.
func TestLoginsAndEndsLeaveABoundedList(t *testing.T) {
	l := List{}.Put(seen("stays", 1), dot(1))
	logins := uint64(100_000)
	if testing.Short() {
		logins = 10_000
	}
	for i := range logins {
		id := fmt.Sprintf("%032x", i)
		l = l.Put(seen(id, int64(10+i)), dot(1000+2*i)).Remove(id, dot(1001+2*i)).Tidy(0)
		if n := len(l.entries); n > 2000 {
			t.Fatalf("after %d logins the list takes up %d bytes", i, n)
		}
	}
	if got := sessions(l, 0); got != "stays" {
		t.Errorf("got %q", got)
	}
	if got := sessions(l.Put(seen(fmt.Sprintf("%032x", logins-1), 1), dot(1<<40)), 0); got != "stays" {
		t.Errorf("the session that ended last is there again: %q", got)
	}
}

// Without ends, those seen longest ago are left out.
func TestTheListIsBounded(t *testing.T) {
	l := List{}
	for i := range uint64(3 * MaxRows) {
		l = l.Put(seen(fmt.Sprintf("%032x", i*7919%1000), int64(i)), dot(1000+i)).Tidy(0)
	}
	rows := l.Rows(0)
	if len(rows) != MaxRows {
		t.Fatalf("%d rows, want %d", len(rows), MaxRows)
	}
	if first, last := rows[0].Seen, rows[MaxRows-1].Seen; first != 3*MaxRows-1 || last != 2*MaxRows {
		t.Errorf("the rows were seen from %d to %d", last, first)
	}
	if err := l.entries.Check(); err != nil {
		t.Error(err)
	}
	same := List{}
	for i := range uint64(2 * MaxRows) {
		same = same.Put(seen(fmt.Sprintf("%032x", i), 7), dot(1000+i))
	}
	if n := len(same.Tidy(0).Rows(0)); n != MaxRows {
		t.Errorf("%d rows are kept of those seen at once, want %d", n, MaxRows)
	}
}

// Rows of another format are not shown, and do no harm.
func TestForeignRowsAreNotShown(t *testing.T) {
	good := List{}.Put(seen("a", 10), dot(10))
	for _, value := range [][]byte{nil, {rowV1}, {rowV1, 1, 2, 3}, {rowV1, 1, 2, 3, 4, 5, 6}, {rowV1, 1, 2, 3, 4, 5, 6, 7, 8}, {rowV1, 1, 2, 3, 4, 5, 6, 0x80}, {2, 1, 2, 3, 4, 5, 6, 7}, append([]byte{rowV1}, bytes.Repeat([]byte{0xff}, 9)...), {rowV1, 1, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1, 1, 1}} {
		e := state.Entry{Dot: dot(5), Name: []byte("x"), Value: value}
		if got := sessions(good.with(e).Tidy(0), 0); got != "a" {
			t.Errorf("%x: got %q", value, got)
		}
	}
}

// However the writes of several instances meet, the list is the same, and a session that one
// of them has removed is not in it.
func TestTheOrderOfWritesDoesNotMatter(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var writes []state.Entries
		last := map[string]bool{} // by session: its last write is a row
		for i := range 12 {
			id, d := string('a'+rune(r.IntN(3))), dot(uint64(100+i))
			one := List{}.Put(seen(id, int64(50+i)), d)
			if last[id] = r.IntN(3) > 0; !last[id] {
				one = List{}.Remove(id, d)
			}
			writes = append(writes, one.entries)
		}
		join := func() (all state.Entries) {
			r.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
			for _, w := range writes {
				all = state.JoinEntries(all, w)
			}
			return all
		}
		a, b := join(), join()
		if !bytes.Equal(a, b) {
			t.Fatalf("seed %d: %x and %x", seed, a, b)
		}
		for id, row := range last {
			if got := strings.Contains(sessions(List{a}, 0), id); got != row {
				t.Fatalf("seed %d: %s is there: %v, want %v", seed, id, got, row)
			}
		}
	}
}

// FuzzList reads and tidies what another program may have written under the ID of a list.
func FuzzList(f *testing.F) {
	f.Add(List{}.Put(seen("a", 10), dot(10)).Remove("b", dot(11)).Encode(5).Encode(), int64(20))
	f.Add(state.State{Death: state.Death{Reason: state.Destroyed}}.Encode(), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, now int64) {
		st, err := state.Decode(data)
		if err != nil {
			return
		}
		l := Decode(st)
		rows := l.Rows(now)
		tidy := l.Tidy(now)
		if err := tidy.entries.Check(); err != nil {
			t.Fatal(err)
		}
		left := tidy.Rows(now)
		if l.Claimed(now, nil) <= MaxRows && !slices.Equal(left, rows) {
			t.Fatalf("tidying has changed %v into %v", rows, left)
		}
		if again := tidy.Tidy(now); !bytes.Equal(again.entries, tidy.entries) {
			t.Fatal("what was tidied is tidied again")
		}
		back, err := state.Decode(tidy.Encode(max(now, 0) % (1 << 40)).Encode())
		if err != nil || !slices.Equal(Decode(back).Rows(now), left) {
			t.Fatalf("the list does not come back: %v", err)
		}
	})
}
