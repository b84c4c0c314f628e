package session

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// FuzzTheManagerFindsTheTokenOfNetHTTP compares what a Manager takes for its
// token with what net/http finds under the cookie's name.
func FuzzTheManagerFindsTheTokenOfNetHTTP(f *testing.F) {
	const name, form = "__Host-session", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, line := range []string{
		name + "=" + form, "\u2000" + name + "=" + form, name + `="` + form + `"`, name + "= " + form, name + "=x; " + name + "=" + form,
		name, ";;=", "a=1;" + name + "\t=" + form + " ",
	} {
		f.Add(line, name+"="+form[1:]+"E")
	}
	c := transport.Transport{Cookie: transport.Attributes{Name: name}}
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
		if got, ok := c.Receive(r.Header); got != want || ok != (want.Reveal() != "") {
			t.Errorf("%q: receive got %q, want %q", r.Header["Cookie"], got.Reveal(), want.Reveal())
		}
	})
}

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
		f := new(firstOnly)
		c := transport.Transport{Cookie: transport.Attributes{Name: "sid"}, Format: f}
		_, ok := c.Receive(http.Header{"Cookie": tt.lines})
		asked := ""
		for _, a := range f.asked {
			asked += "-" + a
		}
		if asked != tt.asked || ok != tt.ok {
			t.Errorf("%q: got %q, %v, want %q, %v", tt.lines, asked, ok, tt.asked, tt.ok)
		}
	}
}
