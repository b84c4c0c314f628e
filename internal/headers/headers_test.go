package headers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/headers"
)

func TestNoCacheMakesAnAnswerPrivate(t *testing.T) {
	const own = `no-cache="Set-Cookie"`
	for _, test := range []struct {
		name string
		had  []string
		want string
	}{
		{"nothing said", nil, "private, " + own},
		{"public with an age", []string{"public, max-age=60"}, "max-age=60, private, " + own},
		{"an age for shared caches", []string{"S-MaxAge=60"}, "private, " + own},
		{"two lines", []string{"max-age=60", "must-revalidate"}, "max-age=60, must-revalidate, private, " + own},
		{"private already", []string{"private, max-age=60"}, "private, max-age=60"},
		{"stored nowhere", []string{"No-Store"}, "No-Store"},
		{"private for one field only", []string{`private="X-Name"`}, `private="X-Name", private, ` + own},
		{"public and private", []string{"public, private"}, "private"},
		{"empty", []string{" , "}, "private, " + own},
		{"said before", []string{own}, "private, " + own},
	} {
		h := http.Header{}
		if test.had != nil {
			h["Cache-Control"] = test.had
		}
		headers.NoCache(h, "Set-Cookie")
		if got := h["Cache-Control"]; !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// A handler may write a field's name in any case, and fields for a CDN alone.
func TestNoCacheLeavesNoOtherFieldForCaches(t *testing.T) {
	h := http.Header{
		"cache-control": {"public, max-age=60"}, "CACHE-CONTROL": {"s-maxage=5"}, "Cdn-Cache-Control": {"max-age=60"},
		"cloudflare-cdn-cache-control": {"max-age=60"}, "Surrogate-Control": {"max-age=60"}, "X-Accel-Expires": {"60"},
		"X-Cache": {"a"}, "X": {"b"},
	}
	headers.NoCache(h, "Set-Cookie")
	if got, want := h["Cache-Control"], []string{`max-age=60, private, no-cache="Set-Cookie"`}; !slices.Equal(got, want) || len(h) != 3 {
		t.Errorf("got %q, want Cache-Control %q, X-Cache and X", h, want)
	}
}

func TestAddVaryNamesAFieldOnce(t *testing.T) {
	for _, test := range []struct{ had, want []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept"}, []string{"Accept", "Cookie"}},
		{[]string{"Accept,\tcookie "}, []string{"Accept,\tcookie "}},
		{[]string{"Accept", "*"}, []string{"Accept", "*"}},
		{[]string{"Cookie2"}, []string{"Cookie2", "Cookie"}},
	} {
		h := http.Header{}
		if test.had != nil {
			h["Vary"] = slices.Clone(test.had)
		}
		headers.AddVary(h, "Cookie", nil)
		if got := h["Vary"]; !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.had, got, test.want)
		}
	}
}

func TestAddVaryAllocatesNothingWithRoom(t *testing.T) {
	h, room := http.Header{"Vary": nil}, [1]string{}
	if n := testing.AllocsPerRun(100, func() {
		delete(h, "Vary")
		headers.AddVary(h, "Cookie", room[:0])
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestSizesAreThoseOnTheWire(t *testing.T) {
	h := http.Header{"Set-Cookie": {"a=1", "bb=22"}, "Vary": {"Cookie"}}
	var wire strings.Builder
	if err := h.Write(&wire); err != nil {
		t.Fatal(err)
	}
	if got, want := headers.Size(h)-headers.Size(nil), wire.Len(); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
	if got, want := headers.SetCookieSize(h["Set-Cookie"]), len("Set-Cookie: a=1\r\nSet-Cookie: bb=22\r\n"); got != want {
		t.Errorf("got %d bytes of Set-Cookie, want %d", got, want)
	}
}

func TestCheckNameRefusesWhatCannotCarryAToken(t *testing.T) {
	for name, want := range map[string]string{
		"X-Session": "", "x_session": "", "Session": "",
		"X Session": "field name", "X-Sitzung-ä": "field name", "X:": "field name", "a\r\nb": "field name", "{x}": "field name",
		"Cookie": "meaning", "AUTHORIZATION": "meaning", "vary": "meaning",
	} {
		err := headers.CheckName(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", name, err, want)
		}
	}
}

func TestCookiesOfOursAreRemovedAndMeasured(t *testing.T) {
	ours := func(name string) bool { return name == "sid" || name == "sid-b0" }
	lines := []string{"sid=1; Path=/", "theme=sid", "sid-b0=x", "sid-b1=y"}
	h := http.Header{"Set-Cookie": lines}
	if got, want := headers.CookiesSize(h, ours), headers.SetCookieSize([]string{lines[0], lines[2]}); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
	was := slices.Clone(lines)
	headers.RemoveCookies(h, ours)
	if got, want := h["Set-Cookie"], []string{"theme=sid", "sid-b1=y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(lines, was) {
		t.Errorf("the slice of before is %q now", lines)
	}
	h = http.Header{}
	if headers.RemoveCookies(h, ours); len(h) > 0 || headers.CookiesSize(h, ours) != 0 {
		t.Errorf("of a header without cookies became %v", h)
	}
}
