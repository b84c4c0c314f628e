package interop_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/express"
)

// The packages get a header as Node has it, one character a byte.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// headers are Cookie headers in which a cookie of the name is spelled in many
// ways: some by hand, the others put together from pieces.
func headers(name string, n int) (all []string) {
	all = []string{
		name + "=a", name + "=a; " + name + "=b", name + "; " + name + "=b", name + "=; " + name + "=b", name + `="a"`, name + `="`, name + `=""`,
		name + `="a`, name + "= a ;" + name + "=b", "\t" + name + "\t=\ta\t", "x; y=" + name + "=a", "=" + name + "=a", name + "==a", "a", "",
		"\u2000" + name + "=a", "\u00a0" + name + "=a", "\xa0" + name + "=a", "\x85" + name + "=a", "\ufeff" + name + "=a", name + "\xa0=a",
		name + "=\xa0a\xa0", name + "=\u3000a", "\v" + name + "=a", "\f" + name + "=a", name + "=%61%E5%80%BC", name + "=%", name + "=%ff",
		name + "=\"%22a\"", strings.ToUpper(name) + "=a; " + name + "=b", "__proto__=a; " + name + "=b", name + "=\xe5\x80\xbc",
	}
	pieces := []string{
		name, name, name, "=", "=", "=", ";", "; ", ";", " ", "\t", "\"", "\"", "a", "b", "%20", "%", "s:", ".", ",", "x" + name,
		"\u00a0", "\xa0", "\u2000", "\u3000", "\x85", "\ufeff", "\v", "\f", "\\", "\xff",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for len(all) < n {
		var b strings.Builder
		for range 1 + r.IntN(14) {
			b.WriteString(pieces[r.IntN(len(pieces))])
			if r.IntN(9) == 0 {
				b.WriteString(";" + pieces[r.IntN(len(pieces))] + name + "=") // or most have none
			}
		}
		all = append(all, b.String())
	}
	return all
}

// Go and Node find the same cookie in the same header, and its value, with the
// real packages: cookie below express-session, and both versions of cookies.
func TestGoAndNodeFindTheSameCookieInAHeader(t *testing.T) {
	const name = "connect.sid"
	all := headers(name, 50_000)
	var in struct {
		Name    string   `json:"name"`
		Headers []string `json:"headers"`
	}
	in.Name = name
	for _, h := range all {
		in.Headers = append(in.Headers, latin1(h))
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "header.js")
	cmd.Dir, cmd.Stdin = "app", bytes.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node header.js: %v; run: make test-node", err)
	}
	var node [][3]*string
	if err := json.Unmarshal(out, &node); err != nil || len(node) != len(all) {
		t.Fatalf("got %d answers, want %d: %v", len(node), len(all), err)
	}
	found := 0
	for i, h := range all {
		for k, read := range []struct {
			of string
			by func() (string, bool)
		}{
			{"cookie, of express-session", func() (string, bool) { return express.ReadCookie(h, name) }},
			{"cookies, of cookie-session", func() (string, bool) { return cookies.Find(h, name, cookies.V09) }},
			{"cookies, of client-sessions", func() (string, bool) { return cookies.Find(h, name, cookies.V07) }},
		} {
			got, ok := read.by()
			if want := node[i][k]; ok != (want != nil) || ok && got != *want {
				t.Errorf("%q: %s: got %q, %v, want %v", h, read.of, got, ok, orNone(want))
			}
			if ok {
				found++
			}
		}
	}
	if found < len(all)/10 {
		t.Errorf("%d of %d headers have the cookie, want a test that tests more", found, len(all))
	}
}

func orNone(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}
