package backup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

func TestCheckRoomNamesWhatIsWithheld(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	b := copyWith(plain("large", 50_000))
	b.Saved = 0
	var withheld *WithheldError
	if err := c.CheckRoom(b, 3072); !errors.As(err, &withheld) || !slices.Equal(names(withheld.Values), []string{"large"}) {
		t.Errorf("got %v, want that large is withheld", err)
	}
	b.Saved = 1
	if err := c.CheckRoom(b, 3072); err != nil {
		t.Errorf("what the store has needs no room: %v", err)
	}
	var many state.Changes
	for i := range 300 {
		many = append(many, state.Change{Name: fmt.Sprintf("%020d", i)})
	}
	if err := c.CheckRoom(copyWith(many...), 3072); !errors.Is(err, ErrTooLarge) {
		t.Errorf("three hundred names: got %v, want ErrTooLarge", err)
	}
	b = copyWith(state.Change{Name: "large", Value: make([]byte, 50_000)}) // which compresses well
	b.Saved = 0
	if err := c.CheckRoom(b, 3072); err != nil {
		t.Errorf("what fits compressed: %v", err)
	}
}

// Where CheckRoom is content Pack withholds nothing that the store lacks, and the
// other way round.
func TestPackKeepsWhatCheckRoomHasSeen(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	room, none := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 2))
		random := func(clock uint64) (changes state.Changes) {
			for i := range 1 + r.IntN(5) {
				change := state.Change{Name: fmt.Sprint("key", clock, i), Flags: state.Flags(r.IntN(16)) << state.RankShift, Value: make([]byte, r.IntN(1600))}
				if r.IntN(2) == 0 {
					change.Flags |= state.Uncompressed
				}
				for k := range change.Value {
					change.Value[k] = byte('a' + r.IntN(20))
				}
				changes = append(changes, change)
			}
			return changes
		}
		b := copyWith(random(1)...)
		b.State = b.State.Write(random(2), state.Dot{Clock: 2, Instance: 1})
		lacks := 0
		p := mustPack(t, c, b, 3072)
		for _, name := range names(p.Withheld) {
			if e, _ := b.State.Entries.Find(name); e.Dot.Clock > b.Saved {
				lacks++
			}
		}
		err := c.CheckRoom(b, 3072)
		if (err == nil) != (lacks == 0) {
			t.Errorf("seed %d: %d values that the store lacks are withheld, and CheckRoom says %v", seed, lacks, err)
		}
		if room++; err != nil {
			none++
		}
	}
	if none < 20 || none > room-20 {
		t.Errorf("%d of %d copies have no room: the cases say little", none, room)
	}
}

// A value that fits no copy takes nothing along that does, wherever it stands in the
// order: the store lacks the large one, and has the small ones.
func TestALargeValueTakesNoSmallOnesAlong(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	large := func(name string) state.Change {
		v := plain(name, 9000)
		v.Flags |= 3 << state.RankShift
		return v
	}
	b := copyWith(plain("cart", 100), plain("middle", 500), large("old"), plain("user", 50))
	b.State = b.State.Write(state.Changes{large("hoard"), plain("new", 100)}, state.Dot{Clock: 9, Instance: 1})
	p := mustPack(t, c, b, 3072)
	if want := []string{"hoard", "old"}; !slices.Equal(names(p.Withheld), want) {
		t.Errorf("withheld are %v, want %v", p.Withheld, want)
	}
	for _, name := range []string{"cart", "user", "middle", "new"} {
		if e, ok := p.State.Entries.Find(name); !ok || e.Flags.Kind() != state.Present {
			t.Errorf("%s is not in the copy", name)
		}
	}
}

// Of values of one rank the largest stays behind, where that is enough.
func TestTheLargestOfARankStaysBehind(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	p := mustPack(t, c, copyWith(plain("a", 600), plain("b", 600), plain("c", 1500), plain("d", 600)), 3072)
	if want := []string{"c"}; !slices.Equal(names(p.Withheld), want) {
		t.Errorf("withheld are %v, want %v", p.Withheld, want)
	}
}

// Of values of one rank those that have changed travel before those that the client
// has: its older copy may stay for a while, and has them.
func TestWhatTheClientLacksTravelsBeforeWhatItHas(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	b := copyWith(plain("a", 200), plain("b", 200), plain("c", 500), plain("d", 200))
	brought := b.State.Entries
	b.State = b.State.Write(state.Changes{plain("c", 501)}, state.Dot{Clock: 2, Instance: 1})
	b.State = b.State.Write(state.Changes{plain("e", 502)}, state.Dot{Clock: 3, Instance: 1})
	b.Saved = 3
	for _, test := range []struct {
		is      string
		brought state.Entries
		want    []string
	}{
		{"all is news", nil, []string{"e"}},
		{"two are news", brought, []string{"b", "d"}},
	} {
		p, err := c.Pack(b, Brought{entries: test.brought}, noon, 2048)
		if err != nil || !slices.Equal(names(p.Withheld), test.want) {
			t.Errorf("%s: withheld are %v, %v, want %v", test.is, p.Withheld, err, test.want)
		}
	}
}

// A copy without its login would vouch for a session that nobody could revoke, and one
// without its stay for one that should have ended.
func TestTheLoginTravelsAlways(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	login := state.Login{User: fmt.Sprintf("%0255d", 1), Clock: 7}
	stay := state.Stay{Persistent: true, Lifetime: state.MaxStay, Idle: state.MaxStay}
	rank := state.Flags(state.MaxRank) << state.RankShift
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		changes := state.Changes{}.With(login.Change()).With(stay.Change())
		for i := range r.IntN(8) {
			value := plain(fmt.Sprint("key", i), r.IntN(900))
			value.Flags |= rank
			changes = changes.With(value)
		}
		b := copyWith(changes...)
		b.Saved = uint64(r.IntN(2))
		most := MinBudget + r.IntN(2000)
		p, err := c.Pack(b, Brought{}, time.Now(), most)
		if errors.Is(err, ErrTooLarge) {
			t.Fatalf("seed %d: a login and %d names do not fit in %d bytes", seed, len(changes), most)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := p.State.Login(); !ok || got != login {
			t.Errorf("seed %d: the copy lacks its login", seed)
		}
		if got, ok := p.State.Stay(); !ok || got != stay {
			t.Errorf("seed %d: the copy lacks how long the session lasts", seed)
		}
		if n := c.Size(len(p.Text)); n > most {
			t.Errorf("seed %d: the copy takes up %d bytes of %d", seed, n, most)
		}
	}
}
