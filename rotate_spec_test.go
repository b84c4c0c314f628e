package session

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// The rules of docs/SPEC.md for rotations, as an implementation in another language can
// test them.
func TestTheSpecificationOfRotations(t *testing.T) {
	page, err := os.ReadFile("docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	var b [32]byte
	var random [state.LinkRandom]byte
	for i := range b {
		b[i], random[i] = byte(i), byte(32+i)
	}
	old, _ := token.Parse(base64.RawURLEncoding.EncodeToString(b[:]))
	at := state.Dot{Clock: 1772625600000 << state.CounterBits, Instance: 7}
	next := old.Successor(string(random[:]))
	tomb := state.State{Death: state.Death{Dot: at, Reason: state.Rotated, Link: state.NewLink(at, at.Time().Add(-5*time.Second), random, next.ID())}}
	session := state.State{Created: 1, Authenticated: 1, LastSeen: 300, End: 70000, Rotated: 300}
	plain := strings.Join(strings.Fields(string(page)), "")
	for _, want := range []string{next.Reveal(), next.ID(), hex.EncodeToString(tomb.Encode()), hex.EncodeToString(session.Encode())} {
		if !strings.Contains(plain, want) {
			t.Errorf("SPEC.md does not have %s", want)
		}
	}
}
