package session

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// A string that needs no unquoting is read without encoding/json, and as
// encoding/json reads it.
func TestStringsAreReadAsJSON(t *testing.T) {
	texts := []string{`""`, `"a"`, `"a b~ "`, `"\u0041"`, `"a\"b"`, `"ä"`, "\"\xff\"", "\"\x7f\"", "\"\n\"", `"`, ``, `"a`, `a"`, `"a"b"`, `null`, `1`, ` "a"`, `"a" `}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := []byte{'"'}
		for range r.IntN(6) {
			b = append(b, []byte("ab\\\"u041\x7f\x1f ~\xc3\xa4")[r.IntN(14)])
		}
		texts = append(texts, string(append(b, '"')))
	}
	for _, text := range texts {
		var got, want string
		err, wantErr := jsonCodec{}.Decode([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: got %q, %v, want %q, %v", text, got, err, want, wantErr)
		}
	}
}
