package state

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var errNoBody = errors.New("no body")

// bodies are what a test compresses values to: a value of n times one byte is that byte n.
func bodyOf(value []byte) []byte { return []byte{value[0], byte(len(value))} }

func valueOf(_, body []byte, most int) ([]byte, error) {
	if len(body) != 2 || int(body[1]) > most {
		return nil, errNoBody
	}
	return bytes.Repeat(body[:1], int(body[1])), nil
}

// packedCopy returns a copy as it is, and packed.
func packedCopy() (Copy, []byte) {
	c := exampleCopy()
	c.State.Entries = JoinEntries(c.State.Entries, PackChanges(Changes{
		{"terms", 2<<RankShift | Uncompressed, []byte("as it is")},
		{"user", 5 << RankShift, bytes.Repeat([]byte("u"), 200)},
	}, Dot{115570000000000002, 7}))
	var packed Entries
	for l := c.State.Entries; len(l) > 0; {
		var e Entry
		e, l, _ = l.Cut()
		if string(e.Name) == "user" {
			e = e.Pack(bodyOf(e.Value))
		}
		packed = e.Append(packed)
	}
	return c, c.EncodePacked(packed)
}

func TestAPackedCopyDecodesToWhatItWas(t *testing.T) {
	want, b := packedCopy()
	got, err := DecodePacked(b, 1000, valueOf)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if len(b) > len(want.Encode())-190 {
		t.Errorf("%d bytes of %d: nothing was packed", len(b), len(want.Encode()))
	}
	if _, err := DecodeCopy(b); err == nil {
		t.Error("DecodeCopy takes a packed copy")
	}
	if got, err := DecodePacked(want.Encode(), 10, nil); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a copy that is not packed: got %+v, %v", got, err)
	}
	size := len(want.State.Entries)
	for most, ok := range map[int]bool{size - 1: false, size: true} {
		if _, err := DecodePacked(b, most, valueOf); (err == nil) != ok {
			t.Errorf("entries of %d bytes in %d: %v", size, most, err)
		}
	}
}

// The reader's limit is for all values together.
func TestTheValuesOfAPackedCopyShareItsRoom(t *testing.T) {
	var packed Entries
	for _, name := range []string{"a", "b", "c"} {
		packed = Entry{Name: []byte(name), Dot: Dot{1, 1}}.Pack([]byte{'x', 200}).Append(packed)
	}
	var rooms []int
	_, err := DecodePacked(exampleCopy().EncodePacked(packed), 1000, func(name, body []byte, most int) ([]byte, error) {
		rooms = append(rooms, most)
		return valueOf(name, body, most)
	})
	entry := 1 + DotSize + 2 + 2 + 200
	if want := []int{1000, 1000 - entry, 1000 - 2*entry}; err != nil || !slices.Equal(rooms, want) {
		t.Errorf("the values have room for %v, %v, want %v", rooms, err, want)
	}
}

func TestPackedCopiesThatAreNotOurs(t *testing.T) {
	_, good := packedCopy()
	dead := exampleCopy()
	dead.State = State{Death: Death{Dot: Dot{1, 1}, Reason: Destroyed}}
	deadBytes := dead.Encode()
	deadBytes[0] = FormatPacked
	for name, in := range map[string][]byte{
		"nothing":                  {},
		"a format alone":           {FormatPacked},
		"a dead session":           deadBytes,
		"cut short":                good[:len(good)-1],
		"names that do not ascend": exampleCopy().EncodePacked(slices.Concat(Entry{Name: []byte("b")}.Pack([]byte{1, 1}).Append(nil), Entry{Name: []byte("a")}.Append(nil))),
		"a body that is none":      exampleCopy().EncodePacked(Entry{Name: []byte("b")}.Pack([]byte{1}).Append(nil)),
	} {
		if got, err := DecodePacked(in, 1000, valueOf); err == nil || !reflect.DeepEqual(got, Copy{}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	r := rand.New(rand.NewPCG(15, 9))
	for range 2000 { // damage is an error or another copy, and never a panic
		b := slices.Clone(good)
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		if got, err := DecodePacked(b[:r.IntN(len(b)+1)], 1000, valueOf); err == nil {
			if again, err := DecodeCopy(got.Encode()); err != nil || again.ID != got.ID {
				t.Fatalf("%x was taken for %+v, which does not encode: %v", b, got, err)
			}
		}
	}
}

func TestTheCompressedEntryInTheSpecification(t *testing.T) {
	e := Entry{Flags: 5 << RankShift, Dot: Dot{115570000000000002, 7}, Name: []byte("user"), Value: bytes.Repeat([]byte("u"), 300)}
	// What compress/flate makes of 300 times "u"; other writers may spell it otherwise.
	body, _ := hex.DecodeString("ecc081000000008020eafd5718e05866000000ffff")
	text := hex.EncodeToString(e.Pack(body).Append(nil))
	page, err := os.ReadFile("../../docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(page)), ""), text) {
		t.Errorf("../../docs/SPEC.md does not have the example %s", text)
	}
}
