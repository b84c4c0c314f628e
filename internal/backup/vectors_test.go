package backup

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/state"
)

// vectorEntry is an entry of a copy in the vectors.
type vectorEntry struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Clock        uint64 `json:"clock"`
	Instance     uint32 `json:"instance"`
	Rank         int    `json:"rank"`
	Uncompressed bool   `json:"uncompressed"`
	Value        string `json:"value"`
	Repeated     string `json:"repeated"`
	Times        int    `json:"times"`
}

// vectorContent is what a reader finds in a copy.
type vectorContent struct {
	ID        string        `json:"id"`
	Confirmed int64         `json:"confirmed"`
	Saved     uint64        `json:"saved"`
	Created   int64         `json:"created"`
	Renewed   int64         `json:"renewed"`
	Seen      int64         `json:"seen"`
	End       int64         `json:"end"`
	Entries   []vectorEntry `json:"entries"`
}

func contentOf(c state.Copy) vectorContent {
	out := vectorContent{
		ID: c.ID, Confirmed: c.Confirmed, Saved: c.Saved,
		Created: c.State.Created, Renewed: c.State.Authenticated, Seen: c.State.LastSeen, End: c.State.End, Entries: []vectorEntry{},
	}
	kinds := map[state.Flags]string{state.Present: "present", state.Deleted: "deleted", state.Withheld: "withheld"}
	for l := c.State.Entries; len(l) > 0; {
		e, rest, _ := l.Cut()
		out.Entries = append(out.Entries, vectorEntry{
			Name: string(e.Name), Kind: kinds[e.Flags.Kind()], Clock: e.Dot.Clock, Instance: e.Dot.Instance,
			Rank: e.Flags.Rank(), Uncompressed: e.Flags&state.Uncompressed != 0, Value: string(e.Value),
		})
		l = rest
	}
	return out
}

// Plaintexts of copies that another program has made, and what is in them.
func TestCopiesInTheVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name    string         `json:"name"`
		Bytes   string         `json:"bytes"`
		Refused bool           `json:"refused"`
		Content *vectorContent `json:"content"`
	}
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			plain, err := hex.DecodeString(v.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(plain)
			if v.Refused {
				if refused++; err == nil {
					t.Errorf("it is opened: %+v", got.Copy)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := *v.Content
			for i, e := range want.Entries {
				want.Entries[i].Value += strings.Repeat(e.Repeated, e.Times)
				want.Entries[i].Repeated, want.Entries[i].Times = "", 0
			}
			if found := contentOf(got.Copy); !reflect.DeepEqual(found, want) {
				t.Errorf("got %.500s\nwant %.500s", asJSON(t, found), asJSON(t, want))
			}
		})
	}
	if refused < 10 || len(all)-refused < 8 {
		t.Errorf("%d vectors, %d of them refused: want more", len(all), refused)
	}
}

func asJSON(t *testing.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
