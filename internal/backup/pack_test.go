package backup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

func TestACopyThatFitsUncompressedIsSealedOnceAndCheckedWithout(t *testing.T) {
	count := &counting{Codec: seal.Flate}
	c := newCookies(mustKeys(t, seal.NewKey()), func(c *Cookies) { c.Copies.Codec = count })
	b := copyWith(value("cart", 1000), value("user", 500))
	b.Saved = 0
	if err := c.CheckRoom(b, noon, 3072); err != nil || count.sealed != 0 {
		t.Errorf("CheckRoom: %v, sealed %d times, want never", err, count.sealed)
	}
	if mustPack(t, c, b, 3072); count.sealed != 1 {
		t.Errorf("Pack sealed %d times, want once", count.sealed)
	}
}

// What the store has may stay behind, so that it is not in the way of the check.
func TestValuesThatTheStoreHasNeedNoRoom(t *testing.T) {
	count := &counting{Codec: seal.Flate}
	c := newCookies(mustKeys(t, seal.NewKey()), func(c *Cookies) { c.Copies.Codec = count })
	b := copyWith(value("large", 50_000))
	b.State = b.State.Write(state.Changes{value("cart", 1000)}, state.Dot{Clock: 2, Instance: 1})
	if err := c.CheckRoom(b, noon, 3072); err != nil || count.sealed != 0 {
		t.Errorf("got %v, sealed %d times, want none without sealing", err, count.sealed)
	}
}

func TestCheckRoomNamesWhatIsWithheld(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	b := copyWith(value("large", 50_000))
	b.Saved = 0
	var withheld *WithheldError
	if err := c.CheckRoom(b, noon, 3072); !errors.As(err, &withheld) || !slices.Equal(withheld.Names, []string{"large"}) {
		t.Errorf("got %v, want that large is withheld", err)
	}
	var names state.Changes
	for i := range 300 {
		names = append(names, state.Change{Name: fmt.Sprintf("%020d", i)})
	}
	if err := c.CheckRoom(copyWith(names...), noon, 3072); !errors.Is(err, ErrTooLarge) {
		t.Errorf("three hundred names: got %v, want ErrTooLarge", err)
	}
	c.Copies.Codec = seal.Flate // x times 50,000 compresses well
	if err := c.CheckRoom(b, noon, 3072); err != nil {
		t.Errorf("what fits compressed: %v", err)
	}
}

// Where CheckRoom is content Pack withholds nothing that the store lacks, and the
// other way round.
func TestPackKeepsWhatCheckRoomHasSeen(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	room, none := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 2))
		c := newCookies(keys, func(c *Cookies) {
			if seed%2 == 0 {
				c.Copies.Codec = seal.Flate
			}
		})
		random := func(clock uint64) (changes state.Changes) {
			for i := range 1 + r.IntN(5) {
				change := state.Change{Name: fmt.Sprint("key", clock, i), Flags: state.Flags(r.IntN(16)) << state.RankShift, Value: make([]byte, r.IntN(1200))}
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
		for _, name := range p.Withheld {
			if e, _ := b.State.Entries.Find(name); e.Dot.Clock > b.Saved {
				lacks++
			}
		}
		err := c.CheckRoom(b, noon, 3072)
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

func TestWithoutACodecPackMeasuresAndSealsNothingOnTheWay(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	var changes state.Changes
	for i := range 40 {
		changes = append(changes, value(fmt.Sprint("key", i), 200))
	}
	p := packing{c: c, whole: copyWith(changes...), now: noon, most: 3072}
	if packed, err := p.without(0); err == nil {
		t.Errorf("8 KB in 3: got %d bytes of text", len(packed.Text))
	}
	p.arrange()
	if packed, err := p.without(36); err != nil || packed.Text != "" {
		t.Errorf("got %d bytes of text and %v, want a copy that is measured and not sealed", len(packed.Text), err)
	}
	if packed, err := p.bisect(); err != nil || packed.Text != "" || len(packed.Withheld) == 0 {
		t.Errorf("bisect: %d bytes of text, withheld %q, %v; want a copy that is measured", len(packed.Text), packed.Withheld, err)
	}
}

// A value that fits no copy takes nothing along that does, wherever it stands in the
// order: the store lacks the large one, and has the small ones.
func TestALargeValueTakesNoSmallOnesAlong(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	for _, codec := range []seal.Codec{nil, seal.Flate} {
		c := newCookies(keys, func(c *Cookies) { c.Copies.Codec = codec })
		random := rand.New(rand.NewPCG(1, 1))
		large := func(name string) state.Change {
			v := make([]byte, 9000)
			for i := range v {
				v[i] = byte(random.IntN(256))
			}
			return state.Change{Name: name, Value: v, Flags: 3 << state.RankShift}
		}
		b := copyWith(value("cart", 100), value("middle", 500), large("old"), value("user", 50))
		b.State = b.State.Write(state.Changes{large("hoard"), value("new", 100)}, state.Dot{Clock: 9, Instance: 1})
		p := mustPack(t, c, b, 3072)
		if want := []string{"old", "hoard"}; !slices.Equal(p.Withheld, want) {
			t.Errorf("withheld are %v, want %v", p.Withheld, want)
		}
		for _, name := range []string{"cart", "user", "middle", "new"} {
			if e, ok := p.State.Entries.Find(name); !ok || e.Flags.Kind() != state.Present {
				t.Errorf("%s is not in the copy", name)
			}
		}
	}
}

// Of values of one rank the largest stays behind, where that is enough.
func TestTheLargestOfARankStaysBehind(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	p := mustPack(t, c, copyWith(value("a", 600), value("b", 600), value("c", 1500), value("d", 600)), 3072)
	if want := []string{"c"}; !slices.Equal(p.Withheld, want) {
		t.Errorf("withheld are %v, want %v", p.Withheld, want)
	}
}
