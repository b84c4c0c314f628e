package cookieheader_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/cookieheader"
)

type cookie struct{ name, value string }

// read returns all pairs of the lines, and of these the ones that net/http
// would take for cookies, by its own rules for names and values.
func read(lines []string) (all, cookies []cookie) {
	for _, line := range lines {
		for line != "" {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			c := cookie{p.Name, p.Value()}
			all = append(all, c)
			if isToken(c.name) && isValue(c.value) {
				cookies = append(cookies, c)
			}
		}
	}
	return all, cookies
}

func isToken(s string) bool {
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }
	return s != "" && !strings.ContainsFunc(s, bad)
}

func isValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

func theirs(cookies []*http.Cookie) (l []cookie) {
	for _, c := range cookies {
		l = append(l, cookie{c.Name, c.Value})
	}
	return l
}

func TestPairsAreThoseOfNetHTTP(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []cookie
	}{
		{"a=b; c=d", []cookie{{"a", "b"}, {"c", "d"}}},
		{"a=b;c=d", []cookie{{"a", "b"}, {"c", "d"}}},
		{" \ta \t=b\t ;\tc=d", []cookie{{"a", "b"}, {"c", "d"}}},
		{`a="b"; c=""; d="`, []cookie{{"a", "b"}, {"c", ""}, {"d", `"`}}},
		{`a="b" ; c= "d"`, []cookie{{"a", "b"}, {"c", ` "d"`}}},
		{"a= b", []cookie{{"a", " b"}}},
		{"a=b=c=", []cookie{{"a", "b=c="}}},
		{"a; =b;; ", []cookie{{"a", ""}, {"", "b"}, {"", ""}, {"", ""}}},
		{"a=1; a=2", []cookie{{"a", "1"}, {"a", "2"}}},
		{"\u2000a=b", []cookie{{"\u2000a", "b"}}},
		{"\u00a0a=1; \u0085a=2; \u3000a=3; \ufeffa=4; \va=5; \fa=6; \xa0a=7; \x85a=8; a\u2003=\u2003b", []cookie{
			{"\u00a0a", "1"}, {"\u0085a", "2"}, {"\u3000a", "3"}, {"\ufeffa", "4"}, {"\va", "5"}, {"\fa", "6"},
			{"\xa0a", "7"}, {"\x85a", "8"}, {"a\u2003", "\u2003b"},
		}},
	} {
		all, cookies := read([]string{tt.line})
		if !slices.Equal(all, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.line, all, tt.want)
		}
		r := http.Request{Header: http.Header{"Cookie": {tt.line}}}
		if want := theirs(r.Cookies()); !slices.Equal(cookies, want) {
			t.Errorf("%q: got the cookies %q, and net/http %q", tt.line, cookies, want)
		}
	}
}

func TestALineIsReadWithoutAnAllocation(t *testing.T) {
	line := `a="b"; __Host-session=` + strings.Repeat("x", 43) + "; c=d"
	if got := testing.AllocsPerRun(100, func() {
		n := 0
		for rest := line; rest != ""; {
			var p cookieheader.Pair
			p, rest = cookieheader.Next(rest)
			n += len(p.Value())
		}
		if n != 45 {
			t.Error(n)
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// FuzzPairsAreThoseOfNetHTTP sends two lines of a Cookie header to this package
// and to net/http: each finds the same cookies, in the same order.
func FuzzPairsAreThoseOfNetHTTP(f *testing.F) {
	for _, line := range []string{
		"", "a=b; c=d", " \ta \t=b\t ;\tc=d", `a="b"; c="";d="`, `a= "b" `, "a", "=a", ";;", "a=b=c", "\u2000a=b", "\xa0a=b\x85",
		"a=\"b\\\"", "a\x00=b", "a=b\x7f", "$Version=1, a=b", "__Host-session=x; \u3000__Host-session=y",
	} {
		f.Add(line, "a=2")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		lines := []string{one, two}
		if strings.ContainsAny(one+two, "\r\n") || strings.Count(one+two, ";") > 1000 {
			return // no header has a line break, and net/http has a limit of its own
		}
		_, got := read(lines)
		r := http.Request{Header: http.Header{"Cookie": lines}}
		if want := theirs(r.Cookies()); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, and net/http %q", lines, got, want)
		}
		// ParseCookie reads one line, and refuses all of it for one bad pair.
		if parsed, err := http.ParseCookie(one); err == nil {
			if _, got := read(lines[:1]); !slices.Equal(got, theirs(parsed)) {
				t.Errorf("%q: got %q, and ParseCookie %q", one, got, theirs(parsed))
			}
		}
	})
}
