package state

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func TestALoginComesBackAsItWas(t *testing.T) {
	for _, want := range []Login{
		{User: "ann", Clock: clockAt(noon) + 3, At: noon.UnixMilli()}, {User: "\x00", Clock: 1}, {User: strings.Repeat("u", MaxUser), Clock: 1 << 62},
	} {
		st := State{Created: 1, Authenticated: 1}.Write([]Change{want.Change()}, Dot{Clock: 9, Instance: 1})
		again, err := Decode(st.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := again.Login(); !ok || got != want {
			t.Errorf("got %+v, %v, want %+v", got, ok, want)
		}
	}
}

// The example of docs/SPEC.md.
func TestALoginIsEncodedAsSpecified(t *testing.T) {
	const want = "f8019a964d7cb1200100000007052f757365721300000000000000060000000000000005616e6e"
	got := PackChanges(Changes{Login{User: "ann", Clock: 6, At: 5}.Change()}, Dot{Clock: 0x019a964d7cb12001, Instance: 7})
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}

func TestWhatIsNoLogin(t *testing.T) {
	gone := Login{User: "ann", Clock: 1}.Change()
	gone.Flags = gone.Flags&^kindMask | Deleted
	for name, c := range map[string]Change{
		"no user":        {Name: LoginEntry, Value: make([]byte, 16)},
		"short":          {Name: LoginEntry, Value: []byte("ann")},
		"empty":          {Name: LoginEntry},
		"deleted":        gone,
		"another name":   {Name: "user", Value: Login{User: "ann"}.Change().Value},
		"a name before":  {Name: "/use", Value: Login{User: "ann"}.Change().Value},
		"a name behind":  {Name: "/user2", Value: Login{User: "ann"}.Change().Value},
		"withheld value": {Name: LoginEntry, Flags: Withheld},
	} {
		st := State{}.Write([]Change{c}, Dot{Clock: 9, Instance: 1})
		if got, ok := st.Login(); ok {
			t.Errorf("%s: %+v is a login", name, got)
		}
	}
}

// Of two logins to one session the one that was saved last counts, in whatever order
// the copies meet. A login of the same user at another time is a change.
func TestTheLastLoginCounts(t *testing.T) {
	first, second := Login{User: "ann", Clock: 10}, Login{User: "ann", Clock: 11}
	a := State{}.Write([]Change{first.Change()}, Dot{Clock: 20, Instance: 1})
	b := State{}.Write([]Change{second.Change()}, Dot{Clock: 21, Instance: 1})
	for _, st := range []State{Join(a, b), Join(b, a)} {
		if got, ok := st.Login(); !ok || got != second {
			t.Errorf("got %+v, %v", got, ok)
		}
	}
	if !second.Change().Changes(a) || first.Change().Changes(a) {
		t.Error("only another login is a change")
	}
}

// A session that began with a login has known a user, although it was never renewed.
func TestASessionThatBeganWithALoginKnowsAUser(t *testing.T) {
	st := State{Created: 5, Authenticated: 5, End: time.Now().UnixMilli()}
	if !st.NeverRenewed() {
		t.Error("a session without a login knows a user")
	}
	if st.Write([]Change{Login{User: "ann", Clock: 1}.Change()}, Dot{Clock: 9, Instance: 1}).NeverRenewed() {
		t.Error("a session with a login knows no user")
	}
}
