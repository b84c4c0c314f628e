package script_test

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session/node/internal/script"
)

func TestHandlersRunAsInJavaScript(t *testing.T) {
	for _, test := range []struct{ name, source, want string }{
		{"an expression", "(x) => x.a + 1", `3`},
		{"a body", "(x) => { const y = x.a; x.b = y * 2; return x; }", `{"a":2,"b":4}`},
		{"delete", "(x) => { delete x.a; return x; }", `{}`},
		{"a template", "(x) => `a=${x.a} ${JSON.stringify({ b: [1, 'c'] })}`", `"a=2 {\"b\":[1,\"c\"]}"`},
		{"try and catch", "(x) => { try { x.y.z; } catch (e) { return e.message; } }", `"Cannot read properties of undefined (reading 'z')"`},
		{"await of a callback", "async (x) => { await ((cb) => cb(null))((e) => { x.e = e; }); return x; }", `{"a":2,"e":null}`},
		{"array indexes come first", "(x) => { x[10] = 1; x['9'] = 2; return x; }", `{"9":2,"10":1,"a":2}`},
		{"operators", "(x) => x.a === 2 && x.n == null ? typeof x.n : 'no'", `"undefined"`},
		{"a loop", "(x) => { let s = 0; for (let i = 0; i < 4; i++) { s += i; } return s; }", `6`},
		{"counting", "(x) => [++x.a, x.a++, x.a, --x.a]", `[3,3,4,3]`},
		{"spread", "(x) => ({ ...x, c: [...[1, 2], 3] })", `{"a":2,"c":[1,2,3]}`},
		{"optional chains", "(x) => String(x.q?.r) + 'x'.repeat(3).length", `"undefined3"`},
		{"dates", "() => new Date(5)", `"1970-01-01T00:00:00.005Z"`},
		{"frozen objects", "(x) => { Object.freeze(x); x.a = 3; return x; }", `{"a":2}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := script.Compile(test.source, script.Globals(0))
			if err != nil {
				t.Fatal(err)
			}
			v, err := script.Call(f, script.Of([]byte(`{"a":2}`)))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := script.JSON(v); string(got) != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatIsNotKnownIsAnError(t *testing.T) {
	for _, source := range []string{"(x) => x =~ 1", "(x) => { while (true) {} }", "'x'", "(x) => 'a", "(x) => unheardOf"} {
		f, err := script.Compile(source, script.Globals(0))
		if err == nil {
			_, err = script.Call(f)
		}
		if err == nil || !strings.Contains(err.Error(), "JavaScript") {
			t.Errorf("%s: got %v, want an error", source, err)
		}
	}
}

func TestWhatAHandlerThrowsIsAnError(t *testing.T) {
	f, err := script.Compile("() => { throw new Error('boom'); }", script.Globals(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := script.Call(f); err == nil || err.Error() != "Error: boom" {
		t.Errorf("got %v, want Error: boom", err)
	}
}
