package jsonvalue

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
		err, wantErr := Codec{}.Decode([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: got %q, %v, want %q, %v", text, got, err, want, wantErr)
		}
	}
}

func TestValuesAreWrittenAsJavaScriptWritesThem(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{"/a?b=1&c=<d>", `"/a?b=1&c=<d>"`},
		{"\u2028 and \u2029", "\"\u2028 and \u2029\""},
		{`\u003c \\u003c \`, `"\\u003c \\\\u003c \\"`},
		{"\x00\x1f\b\f\n\r\t\"\\", `"\u0000\u001f\b\f\n\r\t\"\\"`},
		{"\x7f größe \U0001f36a", "\"\x7f größe \U0001f36a\""},
		{"not UTF-8: \xff.", "\"not UTF-8: \ufffd.\""},
		{json.RawMessage(`{"b":"<","a":1}`), `{"b":"<","a":1}`},
		{json.RawMessage(`"half a pair: \ud83c"`), `"half a pair: \ud83c"`},
		{map[string]any{"<": []string{"&"}}, `{"<":["&"]}`},
		{[]float64{1e21, 1e20, 1e-6, 1e-7, 0.1, 123456789012345680000}, `[1e+21,100000000000000000000,0.000001,1e-7,0.1,123456789012345680000]`},
	} {
		got, err := Codec{}.Encode(test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("%q: got %s, %v, want %s", test.value, got, err, test.want)
		}
	}
}

func TestUnescapingChangesNoValue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		var b []byte
		for range r.IntN(12) {
			b = append(b, []string{"<", ">", "&", "u003c", `\`, `"`, "\u2028", "\xff", "\x01", "a", "ufffd"}[r.IntN(11)]...)
		}
		want, err := json.Marshal(string(b))
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		got, err := Codec{}.Encode(string(b))
		if err != nil || json.Unmarshal(want, &before) != nil || json.Unmarshal(got, &after) != nil || before != after {
			t.Fatalf("%q: got %s, %v, which is %q, want %q", b, got, err, after, before)
		}
	}
	if n := testing.AllocsPerRun(100, func() { unescape([]byte(`"a \u003c"`)) }); n > 1 {
		t.Errorf("%v allocations beside that of the test", n)
	}
}
