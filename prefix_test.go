package session_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
)

// blanks are what Unicode, JavaScript or a regular expression takes for a
// blank, and a browser does not: a name that begins or ends with one has no
// prefix to a browser, and so every sibling host can set it.
var blanks = []string{
	"\v", "\f", "\x1c", "\x1f", "\u0085", "\u00a0", "\u1680", "\u180e", "\u2000", "\u2003", "\u200a", "\u200b", "\u2028", "\u2029",
	"\u202f", "\u205f", "\u3000", "\ufeff", "\x85", "\xa0", "\xc2",
}

// disguised are the ways to spell a cookie that is not of this name.
func disguised(name, value string) (lines []string) {
	for _, b := range blanks {
		lines = append(lines, b+name+"="+value, name+b+"="+value, " "+b+" "+name+"="+value, name+"="+b+value+b)
	}
	return append(lines,
		"="+name+"="+value, `"`+name+`"=`+value, strings.ToLower(name)+"X="+value, strings.ToUpper(name)+"="+value,
		name+"\x00="+value, "$Version=1,"+name+"="+value, "x, "+name+"="+value, name+"=="+value, name+"=\""+value, name+"= "+value,
	)
}

// A sibling host below the same domain plants the cookies of the attacker's own
// session beside those of the visitor, or where there are none.
func TestACookieWithABlankThatIsNotOneIsNotOurs(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		mallory, v := s.visitor(), s.visitor()
		s.serve(s.a, mallory, func(x *session.Session) { color.Set(x, "planted") })
		theirs := mallory.Request("GET", "/", nil).Cookies()
		slices.SortFunc(theirs, func(a, b *http.Cookie) int { return strings.Compare(a.Name, b.Name) }) // the token first
		if len(theirs) < 2 {
			s.Fatalf("the attacker has %d cookies, want a token and a copy", len(theirs))
		}
		own := v.Request("GET", "/", nil).Header.Get("Cookie")
		ask := func(header http.Header) string {
			x := s.b.Load(s.Context(), header)
			if x.Err() != nil {
				return "503"
			}
			return color.Or(x, "nobody")
		}
		token := theirs[0].Name + "=" + theirs[0].Value
		if got := ask(http.Header{"Cookie": {token}}); got != "planted" {
			s.Fatalf("the attacker's own session holds %q", got)
		}
		// The token, alone and before the visitor's.
		for _, line := range disguised(theirs[0].Name, theirs[0].Value) {
			for _, header := range []http.Header{{"Cookie": {line}}, {"Cookie": {"a=1; " + line + ";b=2"}}, {"Cookie": {"a=1", line}}} {
				if got := ask(header); got != "nobody" {
					s.Errorf("%q shows the session of %s", header["Cookie"], got)
				}
			}
			if got := ask(http.Header{"Cookie": {line + "; " + own}}); got != "red" {
				s.Errorf("%q before the visitor's own cookies shows %s", line, got)
			}
		}
		// The copy: the store is away, and without a copy no visitor is known.
		s.store.Fail(errRefused)
		if got := ask(http.Header{"Cookie": {token}}); got != "503" {
			s.Fatalf("a token without a copy shows %s in an outage", got)
		}
		for _, c := range theirs[1:] {
			if got := ask(http.Header{"Cookie": {token, c.Name + "=" + c.Value}}); got != "planted" {
				s.Fatalf("token and copy show %s in an outage", got)
			}
			for _, line := range disguised(c.Name, c.Value) {
				if got := ask(http.Header{"Cookie": {token + "; " + line}}); got != "503" {
					s.Errorf("%q is taken for a copy", line)
				}
			}
		}
		s.heal()
	})
}

// A planted list of ended sessions would log its visitor out.
func TestATombstoneCookieWithABlankThatIsNotOneIsNotOurs(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		own := v.Request("GET", "/", nil).Header.Get("Cookie")
		s.store.Fail(errRefused) // so that only a cookie can tell of the logout
		answer := s.copyOf(v).Get(s.a.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, x *session.Session) {
			if _, err := x.Destroy(r.Context()); err != nil {
				t.Error(err)
			}
		})), "/")
		list := ""
		for _, c := range answer.Cookies() {
			if c.Name == "__Host-session-x" {
				list = c.Value
			}
		}
		shows := func(line string) string {
			x := s.b.Load(t.Context(), http.Header{"Cookie": {own + "; " + line}})
			if x.Err() != nil {
				return "503"
			}
			return color.Or(x, "nobody")
		}
		for _, line := range disguised("__Host-session-x", list) {
			if got := shows(line); got != "red" {
				t.Fatalf("%q is believed: the session shows %s", line, got)
			}
		}
		if got := shows("__Host-session-x=" + list); list == "" || got == "red" {
			t.Fatalf("the list %q itself is not believed", list)
		}
		s.heal()
	})
}
