package fields_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

func parse(t testing.TB, text string) *fields.Fields {
	t.Helper()
	f, err := fields.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatIsNotChangedKeepsItsBytesAndItsPlace(t *testing.T) {
	const text = " {\"b\" : 1.0 , \"\\u0061\":[1, 2],\n\"big\":12345678901234567890, \"e\":\"\\u003c\\/\"} "
	f := parse(t, text)
	if got := string(f.Append(nil)); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	if err := f.Set("b", json.RawMessage("2")); err != nil {
		t.Fatal(err)
	}
	f.Delete("missing")
	const want = `{"b":2,"\u0061":[1, 2],"big":12345678901234567890,"e":"\u003c\/"}`
	if got := string(f.Append(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := f.Names(); !slices.Equal(got, []string{"b", "a", "big", "e"}) {
		t.Errorf("got %q", got)
	}
}

func TestMembersAreThoseOfJavaScript(t *testing.T) {
	for _, test := range []struct{ name, text, set, want string }{
		{"of two of a name the last value is in the first place", `{"a":1,"b":2,"a":3}`, "c", `{"a":3,"b":2,"c":0}`},
		{"an array index goes before names", `{"a":1}`, "7", `{"7":0,"a":1}`},
		{"and into its order", `{"2":1,"10":1,"a":1}`, "9", `{"2":1,"9":0,"10":1,"a":1}`},
		{"what only looks like one does not", `{"a":1}`, "07", `{"a":1,"07":0}`},
		{"nor what is too large", `{"a":1}`, "4294967295", `{"a":1,"4294967295":0}`},
		{"__proto__ is a name", `{"__proto__":1}`, "a", `{"__proto__":1,"a":0}`},
		{"lone surrogates stay apart", `{"\ud800":1,"\ud801":2}`, "a", `{"\ud800":1,"\ud801":2,"a":0}`},
		{"escapes of one name are one name", `{"\u0061":1,"a":2}`, "a", `{"\u0061":0}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := parse(t, test.text)
			if err := f.Set(test.set, json.RawMessage("0")); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Append(nil)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAnObjectWithManyMembers(t *testing.T) {
	f := new(fields.Fields)
	const n = 1000
	for i := range n {
		if err := f.Set(fmt.Sprintf("k%d", i), json.RawMessage(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < n; i += 2 {
		f.Delete(fmt.Sprintf("k%d", i))
	}
	if f.Len() != n/2 {
		t.Errorf("got %d members, want %d", f.Len(), n/2)
	}
	for i := range n {
		v, ok := f.Get(fmt.Sprintf("k%d", i))
		if ok != (i%2 == 1) || ok && string(v) != fmt.Sprint(i) {
			t.Errorf("k%d: got %s, %v", i, v, ok)
		}
	}
}

func TestACloneIsByItself(t *testing.T) {
	f := parse(t, `{"a":1,"b":2}`)
	c := f.Clone()
	c.Delete("a")
	if err := f.Set("b", json.RawMessage("3")); err != nil {
		t.Fatal(err)
	}
	if got, want := string(f.Append(nil))+string(c.Append(nil)), `{"a":1,"b":3}{"b":2}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatIsNoJSONObjectIsRefused(t *testing.T) {
	for _, text := range []string{
		"", " ", "null", "[1]", `"a"`, "{", `{"a":1,}`, "{'a':1}", `{"a":NaN}`, "\ufeff{}", `{"a":"` + "\n" + `"}`, `{"a":01}`,
		strings.Repeat(" ", 4<<20) + "{}", strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000),
	} {
		if f, err := fields.Parse([]byte(text)); err == nil {
			t.Errorf("%.40q: got %d members", text, f.Len())
		}
	}
	f := new(fields.Fields)
	for _, value := range []string{"", "nope", `1,"b":2`, `"a`} {
		if err := f.Set("a", json.RawMessage(value)); err == nil {
			t.Errorf("%q: got no error", value)
		}
	}
}

// What JSON.parse(Buffer.from(bytes).toString()) has.
func TestBytesThatAreNoTextAreReplaced(t *testing.T) {
	f := parse(t, "{\"a\":\"x\xed\xdby\",\"b\":\"\xe2\x82\"}")
	if got, want := string(f.Append(nil)), "{\"a\":\"x\ufffd\ufffdy\",\"b\":\"\ufffd\"}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if text, _ := fields.Canonical([]byte("\"x\xed\xdby\"")); string(text) != "\"x\ufffd\ufffdy\"" {
		t.Errorf("got %q", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"cookie":{"a":"}"},"b":[{"c":"\"]"}],"\u0061\ud800":1e5}`), "b")
	f.Add([]byte(" {\n} "), "")
	f.Add([]byte(`{"a":1,"a":2}`), "10")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		a, err := fields.Parse(text)
		if err != nil {
			return
		}
		text = js.UTF8(text)
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatalf("%q: not JSON: %v", text, err)
		}
		if a.Len() < len(members) { // encoding/json makes one of lone surrogates
			t.Errorf("%q: got %d members, want %d", text, a.Len(), len(members))
		}
		if got := a.Append(nil); string(got) != string(text) {
			t.Errorf("%q: got %q", text, got)
		}
		names := a.Names()
		if err := a.Set(name, json.RawMessage(`"new"`)); err != nil {
			t.Fatal(err)
		}
		a.Delete(name)
		again, err := fields.Parse(a.Append(nil))
		if err != nil {
			t.Fatalf("%q: %v in %q", text, err, a.Append(nil))
		}
		want := slices.DeleteFunc(names, func(n string) bool { return n == name })
		if got := again.Names(); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		for _, n := range want {
			x, _ := a.Get(n)
			if y, ok := again.Get(n); !ok || string(x) != string(y) {
				t.Errorf("%q: %q: got %s, want %s", text, n, y, x)
			}
		}
	})
}
