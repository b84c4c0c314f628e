package fields_test

import (
	"encoding/json"
	"testing"

	"github.com/holdfast-go/session/node/fields"
)

// The wanted texts are those that node -e 'console.log(JSON.stringify(JSON.parse(text)))' prints.
func TestCanonicalIsWhatNodeWritesBack(t *testing.T) {
	for _, test := range []struct {
		text, want string
		exact      bool
	}{
		{` { "b" : 1.0 , "a" : [ 1 , "\u0062" ] , "10":0, "9":-0 } `, `{"9":0,"10":0,"b":1,"a":[1,"b"]}`, true},
		{`"\u003cb\u003e\/\u2028"`, "\"<b>/\u2028\"", true},
		{`"\ud800 \ud83d\ude00"`, "\"\\ud800 \U0001f600\"", true},
		{`[1e400, 1E2, 0.1e-6, 1e21]`, `[null,100,1e-7,1e+21]`, true},
		{`9007199254740993`, `9007199254740992`, false},
		{`{"a":[12345678901234567890]}`, `{"a":[12345678901234567000]}`, false},
		{`9007199254740992`, `9007199254740992`, true},
		{`{"a":1,"b":2,"a":{"x":[]}}`, `{"a":{"x":[]},"b":2}`, true},
		{`[]`, `[]`, true}, {`{}`, `{}`, true}, {`true`, `true`, true}, {`null`, `null`, true},
	} {
		got, exact := fields.Canonical(json.RawMessage(test.text))
		if string(got) != test.want || exact != test.exact {
			t.Errorf("%s: got %s, %v, want %s, %v", test.text, got, exact, test.want, test.exact)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"\ud800"}],"10":1e5,"2":[],"a":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		once, _ := fields.Canonical(text)
		if !json.Valid(once) {
			t.Fatalf("%q: got %q, no JSON", text, once)
		}
		if twice, _ := fields.Canonical(once); string(twice) != string(once) {
			t.Errorf("%q: got %q, and of that %q", text, once, twice)
		}
	})
}
