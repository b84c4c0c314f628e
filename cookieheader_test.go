package session

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// FuzzTheManagerFindsTheCookiesOfNetHTTP compares what a Manager takes for its
// own cookies with what net/http finds under their names.
func FuzzTheManagerFindsTheCookiesOfNetHTTP(f *testing.F) {
	const name, form = "__Host-session", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	const part = name + "-b0=abcdef.0.1.xyz"
	for _, line := range []string{
		name + "=" + form, "\u2000" + name + "=" + form, name + `="` + form + `"`, name + "= " + form, name + "=x; " + name + "=" + form,
		part, "\u00a0" + part, part + "\xa0", name + `-b3="abcdef.1.2.xyz"; ` + part, name + "-x=abc", "\u3000" + name + "-x=abc", name + `-x="abc"`,
		name, ";;=", "a=1;" + name + "\t=" + form + " ",
	} {
		f.Add(line, name+"="+form[1:]+"E")
	}
	c := carrier{Transport: transport.Transport{Cookie: transport.Attributes{Name: name}}}
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsAny(one+two, "\r\n") || strings.Count(one+two, ";") > 1000 {
			return // no header has a line break, and net/http has a limit of its own
		}
		r := http.Request{Header: http.Header{"Cookie": {one, two}}}
		var want token.Token
		for _, cookie := range r.CookiesNamed(name) {
			if parsed, ok := token.Parse(cookie.Value); ok && want.Reveal() == "" {
				want = parsed
			}
		}
		in := c.collect(r.Header)
		if got, ok := c.Receive(r.Header); got != want || ok != (want.Reveal() != "") {
			t.Errorf("%q: receive got %q, want %q", r.Header["Cookie"], got.Reveal(), want.Reveal())
		}
		if in.token != want || in.ok != (want.Reveal() != "") {
			t.Errorf("%q: collect got %q, want %q", r.Header["Cookie"], in.token.Reveal(), want.Reveal())
		}
		// What net/http finds is looked at; what else is, it drops for bytes in
		// the value that no text of ours has.
		var lists []string
		for _, cookie := range r.CookiesNamed(name + tombstoneSuffix) {
			lists = append(lists, cookie.Value)
		}
		got := slices.DeleteFunc(slices.Clone(in.tombstones), func(s string) bool { return strings.ContainsFunc(s, strange) })
		if len(in.tombstones) < maxTombstoneCookies && !slices.Equal(got, lists) {
			t.Errorf("%q: got the lists %q, want %q", r.Header["Cookie"], got, lists)
		}
		for i := range 4 {
			found := len(r.CookiesNamed(c.bundleName(i))) > 0
			if found && !in.bundles.Cookies().Has(i) {
				t.Errorf("%q: cookie %d of a copy is not seen", r.Header["Cookie"], i)
			}
			if in.bundles.Cookies().Has(i) && !found && !strings.ContainsFunc(one+two, strange) {
				t.Errorf("%q: something else is taken for cookie %d of a copy", r.Header["Cookie"], i)
			}
		}
	})
}

// strange reports whether net/http drops a value for this character.
func strange(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }

// firstOnly is a format that notes which value it is asked for.
type firstOnly struct {
	foreign.Format
	asked []string
}

func (f *firstOnly) ParseToken(value string) (id string, ok bool) {
	f.asked = append(f.asked, value)
	return "id", value == "good"
}

func (f *firstOnly) NewToken(context.Context) (value, id string) { return "good", "id" }

func (f *firstOnly) SetCookie(context.Context, string, state.State, foreign.Why, time.Time) string {
	return ""
}

func TestAnotherSystemIsAskedForTheFirstCookieOfTheName(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		asked string // with "-" in front of each
		ok    bool
	}{
		{[]string{"sid=good"}, "-good", true},
		{[]string{"sid=bad; sid=good"}, "-bad", false},
		{[]string{"sid; sid=good"}, "-good", true}, // as Node, which skips what has no "="
		{[]string{"sid", "a=b;sid=\"good\" "}, "-\"good\"", false},
		{[]string{"\u00a0sid=bad; \xa0sid=bad; sid\u3000=bad; sid\t=good"}, "-good", true},
		{[]string{"sid=; sid=good"}, "-", false},
		{[]string{"a=b"}, "", false},
	} {
		for _, read := range []string{"receive", "collect"} {
			f := new(firstOnly)
			c := carrier{Transport: transport.Transport{Cookie: transport.Attributes{Name: "sid"}, Format: f}}
			h := http.Header{"Cookie": tt.lines}
			_, ok := c.Receive(h)
			if read == "collect" {
				f.asked = nil
				ok = c.collect(h).ok
			}
			asked := ""
			for _, a := range f.asked {
				asked += "-" + a
			}
			if asked != tt.asked || ok != tt.ok {
				t.Errorf("%s of %q: got %q, %v, want %q, %v", read, tt.lines, asked, ok, tt.asked, tt.ok)
			}
		}
	}
}
