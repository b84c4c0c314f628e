package journal

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// step enters something into a journal.
type step func(j *Journal) (Dropped, error)

func tomb(shard string, g Tombstone) step {
	return func(j *Journal) (Dropped, error) {
		a, err := j.AddTombstone(shard, g, now, nothing, loses)
		return a.Dropped, err
	}
}

// pending is a logout of a visitor that waits for the store; stored is one that the store has;
// madeUp is one of a token that no visitor was seen to have.
func pending(id string) step { return tomb("A", Owed(id, death(5, 1, state.Destroyed))) }
func stored(id string) step  { return tomb("B", Stored(id, death(5, 1, state.Destroyed))) }
func madeUp(id string) step {
	g := Owed(id, death(5, 1, state.Destroyed))
	g.Unverified = true
	return tomb("A", g)
}

func writes(id string) step { return writesAt("A", id, 1) }
func writesAt(shard, id string, bytes int) step {
	return adds(shard, copyOf(id, 5, strings.Repeat("v", bytes)), false)
}

func adds(shard string, c state.Copy, anonymous bool) step {
	return func(j *Journal) (Dropped, error) {
		o, err := j.Add(shard, c, anonymous)
		return o.Dropped, err
	}
}

func keeps(id string) step {
	return func(j *Journal) (Dropped, error) {
		o, err := j.Keep("B", copyOf(id, 5, "v"), unix(1000))
		return o.Dropped, err
	}
}

// reads is a session whose hint was delivered.
func reads(id string) step {
	return func(j *Journal) (Dropped, error) {
		d, err := writesAt("B", id, 1)(j)
		j.deliver("B", id, unix(1))
		return d, err
	}
}

// all does several steps as one.
func all(steps ...step) step {
	return func(j *Journal) (d Dropped, err error) {
		for _, s := range steps {
			if d, err = s(j); err != nil {
				return d, err
			}
		}
		return d, nil
	}
}

// strangerEnds is a session that begins and ends without the store.
func strangerEnds(id string) step { return all(adds("A", begun(id), true), pending(id)) }

func arrives(id string) step {
	return func(j *Journal) (Dropped, error) {
		g, _ := j.Tombstone(id)
		j.Arrived(g, g.Death, now)
		return Dropped{}, nil
	}
}

// A request that needs what goes for lack of room is told.
func TestWhatIsForgottenIsTold(t *testing.T) {
	for _, test := range []struct {
		name  string
		there []step
		comes step
		want  string
	}{
		{"a copy that was kept", []step{writes("h"), keeps("k")}, pending("p"), "k at 1"},
		{"one that was delivered", []step{writes("h"), reads("r")}, pending("p"), "r at 0"},
		{"one for which there is no room", []step{writes("h"), pending("p")}, keeps("x"), "x at 1"},
		{"nothing where hints go", []step{writes("h"), pending("p")}, writes("x"), ""},
		{"nothing where tombstones of strangers go", []step{madeUp("m"), keeps("k")}, pending("p"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := New(plenty, plenty)
			if _, err := all(test.there...)(j); err != nil {
				t.Fatal(err)
			}
			j.limit = j.Total().Bytes
			got := ""
			j.Forgot = func(id string, at time.Time) { got += fmt.Sprintf("%s at %d", id, at.Unix()) }
			_, _ = test.comes(j)
			if got != test.want {
				t.Errorf("it tells of %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatGoesFirst(t *testing.T) {
	neverStored, bornOnly := begun("s"), begun("s")
	neverStored.Born = false
	bornOnly.NeverStored = false
	logoutByToken := Owed("h", death(5, 1, state.Destroyed))
	logoutByToken.Unverified, logoutByToken.IfStored = true, true
	entered := Owed("s", death(5, 1, state.Destroyed))
	entered.Stranger = true
	// Each row fills a journal to its last byte, the oldest first. What is dropped
	// for the entry that comes then is in the order of the rule.
	for _, test := range []struct {
		name  string
		there []step
		comes step
		want  Dropped
		err   error
	}{
		{"a made-up token's tombstone, before older copies and tombstones",
			[]step{reads("r"), stored("t"), writes("h"), madeUp("m")}, pending("p"), Dropped{Dispensable: []string{"m"}}, nil},
		{"the tombstone of a stranger whose session began here and was owed, before older copies",
			[]step{reads("r"), stored("t"), writes("h"), strangerEnds("s")}, pending("p"), Dropped{Dispensable: []string{"s"}}, nil},
		{"the oldest of the strangers",
			[]step{strangerEnds("s"), madeUp("m"), strangerEnds("u")}, adds("B", begun("x"), true), Dropped{Dispensable: []string{"s", "m"}}, nil},
		{"not the tombstone of a session that knew a user",
			[]step{writes("h"), adds("A", begun("s"), false), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"nor where only the last write was anonymous",
			[]step{writes("h"), adds("A", begun("s"), false), adds("A", begun("s"), true), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"nor where another process may owe the session too",
			[]step{writes("h"), adds("A", neverStored, true), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"nor of a session that the store had",
			[]step{writes("h"), adds("A", bornOnly, true), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"nor where the store has taken it meanwhile",
			[]step{writes("h"), reads("s"), adds("A", begun("s"), true), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"nor of a session that the journal does not owe",
			[]step{writes("h"), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"a stranger's who ends the session twice",
			[]step{writes("h"), strangerEnds("s"), tomb("A", Owed("s", death(7, 2, state.Destroyed)))}, pending("p"), Dropped{Dispensable: []string{"s"}}, nil},
		{"not a stranger's whose tombstone the store has seen",
			[]step{writes("h"), strangerEnds("s"), tomb("A", Owed("s", death(7, 2, state.Destroyed))), arrives("s"), pending("s")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"nor where it had seen it before",
			[]step{writes("h"), tomb("A", Stored("s", death(7, 2, state.Destroyed))), tomb("A", entered)}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"one that is entered again, as the journal returned it",
			[]step{writes("h"), tomb("A", entered)}, pending("p"), Dropped{Dispensable: []string{"s"}}, nil},
		{"not a logout by token alone where the journal has a copy",
			[]step{writes("g"), writes("h"), tomb("A", logoutByToken)}, pending("p"), Dropped{Hints: []string{"g"}}, nil},
		{"nor where it has one to read",
			[]step{writes("g"), reads("h"), tomb("A", logoutByToken)}, pending("p"), Dropped{Hints: []string{"g"}}, nil},
		{"a delivered copy, before older tombstones and hints",
			[]step{stored("t"), stored("u"), writes("h"), reads("r")}, pending("p"), Dropped{Reading: []string{"r"}}, nil},
		{"a copy that a visitor has not carried back, likewise",
			[]step{stored("t"), stored("u"), writes("h"), keeps("k")}, pending("p"), Dropped{Reading: []string{"k"}}, nil},
		{"the oldest of these",
			[]step{keeps("k"), reads("r"), keeps("l")}, keeps("x"), Dropped{Reading: []string{"k"}}, nil},
		{"nothing for a tombstone that the store has, which takes up no room",
			[]step{writes("h"), pending("q")}, stored("x"), Dropped{}, nil},
		{"hints, before older tombstones that the store has",
			[]step{stored("t"), pending("q"), writes("h"), writes("i")}, pending("p"), Dropped{Hints: []string{"h"}}, nil},
		{"the oldest, of whatever shard",
			[]step{writesAt("B", "h", 1), writesAt("A", "i", 1), writesAt("B", "k", 1)}, writesAt("A", "x", 1), Dropped{Hints: []string{"h"}}, nil},
		{"one that was written again is younger",
			[]step{writes("h"), writes("i"), writes("h")}, writes("x"), Dropped{Hints: []string{"i"}}, nil},
		{"from each class in turn, as much as it takes",
			[]step{stored("t"), writes("h"), pending("p"), reads("r"), madeUp("m"), writes("i"), strangerEnds("s")}, writesAt("A", "x", 352+352+424+424),
			Dropped{Dispensable: []string{"m", "s"}, Reading: []string{"r"}, Hints: []string{"h", "i"}}, nil},

		{"never a pending tombstone", []step{pending("p"), pending("q"), pending("r")}, pending("x"), Dropped{}, ErrFull},
		{"for a hint, no tombstone", []step{stored("t"), stored("u"), pending("p"), pending("q")}, writes("x"), Dropped{}, ErrFull},
		{"for a copy to read, no hint", []step{stored("t"), stored("u"), writes("h")}, keeps("x"), Dropped{}, ErrFull},
		{"but strangers", []step{madeUp("m"), madeUp("n"), writes("h")}, keeps("x"), Dropped{Dispensable: []string{"m", "n"}}, nil},
		{"for a made-up token, no copy and no tombstone", []step{reads("r"), stored("t"), writes("h")}, madeUp("x"), Dropped{}, ErrFull},
		{"nothing where the session's tombstone is known", []step{pending("p"), pending("q")}, pending("p"), Dropped{}, nil},
		{"nothing where the hint goes in its place", []step{pending("p"), writes("h")}, pending("h"), Dropped{}, nil},
		{"others for a hint that grows", []step{writes("g"), writes("h"), writes("i")}, writesAt("A", "g", 2), Dropped{Hints: []string{"h"}}, nil},
		{"others to the last byte", []step{pending("p"), writesAt("A", "h", 10)}, writesAt("B", "x", 10), Dropped{Hints: []string{"h"}}, nil},
		{"nothing for a byte more than there is", []step{pending("p"), writesAt("A", "h", 10)}, writesAt("B", "x", 11), Dropped{}, ErrFull},
		{"nothing where a hint grows too large, and it stays", []step{writes("g"), pending("h"), writes("i")}, writesAt("A", "g", 1000), Dropped{}, ErrFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			large := New(plenty, plenty)
			if _, err := all(test.there...)(large); err != nil {
				t.Fatal(err)
			}
			j := New(large.Total().Bytes+slack(test.there), plenty)
			if _, err := all(test.there...)(j); err != nil {
				t.Fatal(err)
			}
			before := j.Total()
			if got, want := before.Bytes, large.Total().Bytes; got != want {
				t.Fatalf("the journal is filled with %d bytes, want %d", got, want)
			}
			// If a tombstone is smaller than the hint that it replaced, there is room left.
			j.limit = before.Bytes
			got, err := test.comes(j)
			if !errors.Is(err, test.err) || !reflect.DeepEqual(got, test.want) {
				t.Errorf("dropped %+v, %v; want %+v, %v", got, err, test.want, test.err)
			}
			if after := j.Total(); test.err != nil && after != before {
				t.Errorf("the journal has %+v, and had %+v", after, before)
			}
			checkChains(t, j)
		})
	}
}

// slack is room for hints that are gone again.
func slack(steps []step) int64 { return int64(len(steps)) * 1000 }

func TestWhatIsDroppedIsLostToItsShard(t *testing.T) {
	j := New(plenty, plenty)
	again := Owed("n", death(5, 1, state.Destroyed))
	again.Unverified, again.Again = true, true // the store had it
	if _, err := all(writesAt("A", "h", 1), writesAt("B", "i", 1), madeUp("m"), tomb("B", again), reads("r"), stored("t"))(j); err != nil {
		t.Fatal(err)
	}
	j.limit = j.Total().Bytes
	d, err := writesAt("A", "x", 1200)(j)
	if want := (Dropped{Dispensable: []string{"m", "n"}, Reading: []string{"r"}, Hints: []string{"h", "i"}}); err != nil || !reflect.DeepEqual(d, want) {
		t.Fatalf("dropped %+v, %v, want %+v", d, err, want)
	}
	if a, b := j.Stats("A").Lost, j.Stats("B").Lost; a != 2 || b != 1 {
		t.Errorf("A lost %d and B %d; want a hint and a tombstone that it lacks, and a hint", a, b)
	}
}
