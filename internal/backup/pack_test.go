package backup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/jar"
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

// The news of two values that were written at once travels, although the client has the value
// whose name follows.
func TestNewsTravelsBeforeWhatTheClientHas(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	brought := copyWith(plain("b", 900), plain("c", 10))
	b := copyWith(plain("a", 1000), plain("b", 900), plain("c", 10))
	p, err := c.Pack(b, Brought{entries: brought.State.Entries}, noon, 1900)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(p.Withheld); !slices.Equal(got, []string{"b"}) {
		t.Errorf("withheld are %v, want b alone, which the client has", got)
	}
}

// A value travels where the copy takes up all of the room, and no more of it is left.
func TestACopyMayTakeUpAllOfItsRoom(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	const most = 1500
	fits := 0
	for n := range most {
		if b := copyWith(plain("v", n)); len(mustPack(t, c, b, most).Withheld) == 0 {
			fits = len(b.Encode())
		}
	}
	if room := c.plainRoom(most); fits != room {
		t.Errorf("the largest copy without a value withheld has %d bytes, want %d", fits, room)
	}
}

// A copy that is packed can be read: its values unpack to no more than a reader accepts.
func TestWhatIsPackedUnpacksWithinTheBound(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	zeros := func(name string, n int) state.Change { return state.Change{Name: name, Value: make([]byte, n)} }
	p := mustPack(t, c, copyWith(zeros("a", 40_000), zeros("b", maxPlain-41_000), plain("c", 1000)), 3072)
	if got := names(p.Withheld); !slices.Equal(got, []string{"a"}) {
		t.Errorf("withheld are %v, want a alone", got)
	}
	if got := open(c, inCookies(t, p.Text), subject); len(got.Copies) != 1 || len(got.Faults) > 0 {
		t.Errorf("the copy opens as %d copies with the faults %v", len(got.Copies), got.Faults)
	}
}

// What a copy is unpacked to has a bound before it is unpacked.
func TestACopyThatUnpacksToTooMuchTakesNoMemory(t *testing.T) {
	body, ok := seal.Flate.Compress(nil, make([]byte, 64*maxPlain))
	b := copyWith(state.Change{Name: "v", Value: make([]byte, minCompressed)})
	e, _ := b.State.Entries.Find("v")
	if !ok || len(e.Value) != minCompressed {
		t.Fatal("there is no such value")
	}
	plain := b.EncodePacked(e.Pack(body).Append(nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(plain)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; err == nil || grown > 16*maxPlain {
		t.Errorf("Decode returns %v and allocates %d bytes, want an error and at most %d", err, grown, 16*maxPlain)
	}
}

// A text lies in no more cookies than the layout has.
func TestATextLiesInTheCookiesThatThereAre(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()), func(c *Cookies) { c.Layout = jar.Layout{Cookies: 2, Share: 1000} })
	for want := 1; want <= jar.Most; want++ {
		got := c.Parts(want * (c.Layout.Room(c.partName(0)) - partHead))
		if want > c.Layout.Cookies {
			want = jar.Most + 1
		}
		if got != want {
			t.Errorf("got %d cookies, want %d", got, want)
		}
	}
}

// Where there is no room for how long the session lasts, there is no copy: by one without it
// the session would last as the options say.
func TestACopySaysHowLongItsSessionLasts(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	stay := state.Stay{Persistent: true, Lifetime: 100 * time.Hour, Idle: 10 * time.Hour}
	fits, fails := 0, 0
	for n := range 64 { // for sizes that padding does not hide
		name := state.Change{Name: fmt.Sprintf("%0*d", 1+n, 1), Flags: state.Deleted}
		b := copyWith(state.Changes{}.With(stay.Change()).With(name)...)
		for most := 200; most < 600; most++ {
			p, err := c.Pack(b, Brought{}, noon, most)
			switch {
			case errors.Is(err, ErrTooLarge):
				fails++
			case err != nil:
				t.Fatal(err)
			default:
				fits++
				if got, ok := p.State.Stay(); !ok || got != stay {
					t.Fatalf("with %d bytes the copy lasts %+v, %v, want %+v", most, got, ok, stay)
				}
			}
		}
	}
	if fits == 0 || fails == 0 {
		t.Errorf("%d copies fit and %d do not: the cases say little", fits, fails)
	}
}
