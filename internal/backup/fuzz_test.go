package backup

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/seal"
)

// FuzzCollect compares what Collect takes for cookies of ours with what net/http
// finds under their names.
func FuzzCollect(f *testing.F) {
	const part = tokenName + "-b0=abcdef.0.1.xyz"
	for _, line := range []string{
		part, "\u00a0" + part, part + "\xa0", tokenName + `-b3="abcdef.1.2.xyz"; ` + part, tokenName + "-x=abc", "\u3000" + tokenName + "-x=abc",
		tokenName + `-x="abc"`, tokenName + "-b1", tokenName, ";;=", "a=1;" + tokenName + "-b2\t=abcdef.0.1.xyz ",
	} {
		f.Add(line, part)
	}
	c := newCookies(mustKeys(f, seal.NewKey()))
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsAny(one+two, "\r\n") || strings.Count(one+two, ";") > 1000 {
			return // no header has a line break, and net/http has a limit of its own
		}
		r := http.Request{Header: http.Header{"Cookie": {one, two}}}
		in := c.Collect(r.Header)
		// Cookies that net/http finds are looked at. Those that it drops have bytes
		// in the value that no text of ours has.
		var lists []string
		for _, cookie := range r.CookiesNamed(tokenName + endingsSuffix) {
			if len(cookie.Value) <= c.maxEndings() {
				lists = append(lists, cookie.Value)
			}
		}
		got := slices.DeleteFunc(slices.Clone(in.endings), func(s string) bool { return strings.ContainsFunc(s, strange) })
		if len(in.endings) < maxEndingsCookies && !slices.Equal(got, lists) {
			t.Errorf("%q: got the lists %q, want %q", r.Header["Cookie"], got, lists)
		}
		for i := range jar.Most {
			found := len(r.CookiesNamed(c.partName(i))) > 0
			if found && !in.Cookies().Has(i) {
				t.Errorf("%q: cookie %d of a copy is not seen", r.Header["Cookie"], i)
			}
			if in.Cookies().Has(i) && !found && !strings.ContainsFunc(one+two, strange) {
				t.Errorf("%q: something else is taken for cookie %d of a copy", r.Header["Cookie"], i)
			}
			if (in.Size(1<<i) > 0) != in.Cookies().Has(i) {
				t.Errorf("%q: cookie %d takes up %d bytes", r.Header["Cookie"], i, in.Size(1<<i))
			}
		}
		opened := c.Open(&in, subject)
		for range opened.Copies {
			t.Errorf("%q: a copy that nobody sealed opens", r.Header["Cookie"])
		}
		if ended, _ := c.OpenEndings(&in); len(ended) > 0 {
			t.Errorf("%q: a list that nobody sealed opens", r.Header["Cookie"])
		}
	})
}

// strange reports whether net/http drops a value for this character.
func strange(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }
