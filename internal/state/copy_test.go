package state

import (
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

func exampleCopy() Copy {
	return Copy{
		ID:         "00112233445566778899aabbccddeeff",
		Confirmed:  1763716800000,
		Saved:      115570000000000000,
		Supersedes: []Superseded{{ID: "ffeeddccbbaa99887766554433221100", Dot: Dot{115570000000000000, 7}, Heir: true}},
		State: State{
			Created: 1763716700000, Authenticated: 1763716750000, LastSeen: 1763716800000, End: 1763803150000,
			Entries: PackChanges(Changes{
				{"card", Withheld | ServerOnly, nil},
				{"cart", 3 << RankShift, []byte(`["tofu"]`)},
				{"flash", Deleted, nil},
			}, Dot{115570000000000001, 7}),
		},
	}
}

func TestTheCopyInTheSpecificationDecodes(t *testing.T) {
	b := exampleCopy()
	text := hex.EncodeToString(b.Encode())
	page, err := os.ReadFile("../../docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(page)), ""), text) {
		t.Errorf("../../docs/SPEC.md does not have the example %s", text)
	}
	got, err := DecodeCopy(b.Encode())
	if err != nil || got.ID != b.ID || got.Confirmed != b.Confirmed || got.Saved != b.Saved || !slices.Equal(got.Supersedes, b.Supersedes) || !got.State.Equal(b.State) {
		t.Errorf("DecodeCopy = %+v, %v", got, err)
	}
}

func FuzzDecodeCopy(f *testing.F) {
	b := exampleCopy().Encode()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte{FormatV1, 0, 0, 9})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := DecodeCopy(in)
		if err != nil {
			return
		}
		again, err := DecodeCopy(b.Encode())
		if err != nil || again.ID != b.ID || again.Confirmed != b.Confirmed || again.Saved != b.Saved || !slices.Equal(again.Supersedes, b.Supersedes) || !again.State.Equal(b.State) {
			t.Errorf("%+v became %+v, %v", b, again, err)
		}
	})
}
