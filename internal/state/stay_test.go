package state

import (
	"encoding/hex"
	"testing"
	"time"
)

func TestAStayComesBackAsItWas(t *testing.T) {
	for _, want := range []Stay{
		{}, {Persistent: true}, {Lifetime: time.Second}, {Idle: 5 * time.Minute},
		{Persistent: true, Lifetime: MaxStay, Idle: 14 * 24 * time.Hour},
	} {
		st := State{Created: 1}.Write([]Change{want.Change()}, Dot{Clock: 9, Instance: 1})
		again, err := Decode(st.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := again.Stay(); !ok || got != want {
			t.Errorf("got %+v, %v, want %+v", got, ok, want)
		}
		if after := again.Write([]Change{NoStay()}, Dot{Clock: 10, Instance: 1}); NoStay().Changes(after) {
			t.Error("to forget how long a session lasts twice is a change")
		} else if got, ok := after.Stay(); ok {
			t.Errorf("what was forgotten is %+v", got)
		}
	}
}

// The example of docs/SPEC.md.
func TestAStayIsEncodedAsSpecified(t *testing.T) {
	const want = "f8019a964d7cb1200100000007052f737461790b018090fbd3098090e4c004"
	got := PackChanges(Changes{Stay{Persistent: true, Lifetime: 30 * 24 * time.Hour, Idle: 14 * 24 * time.Hour}.Change()}, Dot{Clock: 0x019a964d7cb12001, Instance: 7})
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}

func TestWhatIsNoStay(t *testing.T) {
	century := Stay{Lifetime: MaxStay}.Change()
	century.Value = append([]byte(nil), century.Value...)
	century.Value[1]++ // a millisecond more
	for name, c := range map[string]Change{
		"empty":           {Name: StayEntry},
		"no times":        {Name: StayEntry, Value: []byte{1}},
		"no idle timeout": {Name: StayEntry, Value: []byte{1, 5}},
		"cut off":         {Name: StayEntry, Value: []byte{1, 5, 0x80}},
		"too long":        century,
		"another name":    {Name: "stay", Value: []byte{1, 5, 5}},
		"a name before":   {Name: "/sta", Value: []byte{1, 5, 5}},
		"a name behind":   {Name: "/stay2", Value: []byte{1, 5, 5}},
		"withheld":        {Name: StayEntry, Flags: Withheld},
	} {
		st := State{}.Write([]Change{c}, Dot{Clock: 9, Instance: 1})
		if got, ok := st.Stay(); ok {
			t.Errorf("%s: %+v is how long a session lasts", name, got)
		}
	}
}
