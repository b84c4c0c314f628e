package transport_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// signed is another system's format: a token is its ID behind "s:".
type signed struct {
	foreign.Format
	asked *[]string
}

func (f signed) ParseToken(value string) (id string, ok bool) {
	*f.asked = append(*f.asked, value)
	return strings.CutPrefix(value, "s:")
}

func (signed) NewToken(context.Context) (value, id string) { return "s:new", "new" }

func inCookie() *transport.Transport {
	return &transport.Transport{Cookie: transport.Attributes{Name: "__Host-session", Path: "/", SameSite: http.SameSiteLaxMode}}
}

func inHeader() *transport.Transport {
	tr := inCookie()
	tr.Header = "X-Session"
	return tr
}

func TestCookiesCarryTheirAttributes(t *testing.T) {
	for _, test := range []struct {
		name       string
		attributes transport.Attributes
		want       string
	}{
		{"secure by default", transport.Attributes{Name: "n", Path: "/"}, "n=v; Path=/; HttpOnly; Secure"},
		{"insecure", transport.Attributes{Name: "n", Insecure: true}, "n=v; HttpOnly"},
		{
			"with all of them",
			transport.Attributes{Name: "n", Domain: "shop.test", Path: "/a", SameSite: http.SameSiteStrictMode, Persistent: true},
			"n=v; Path=/a; Domain=shop.test; HttpOnly; Secure; SameSite=Strict",
		},
	} {
		if got := test.attributes.Cookie("v").String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestMaxAgeIsWhatIsLeftWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 400 * 24 * 60 * 60
		for _, test := range []struct {
			left time.Duration
			want int
		}{
			{time.Hour, 3600},
			{90*time.Second + 999*time.Millisecond, 90},
			{time.Second, 1},
			{time.Millisecond, 1},
			{0, 1},
			{-time.Hour, 1},
			{most * time.Second, most},
			{(most + 1) * time.Second, most},
			{100 * 366 * 24 * time.Hour, most},
		} {
			end := time.Now().Add(test.left)
			if got := transport.MaxAge(end); got != test.want {
				t.Errorf("%v left: got %d, want %d", test.left, got, test.want)
			}
		}
		if got := transport.MaxAge(time.Time{}); got != 0 {
			t.Errorf("until the browser closes: got %d, want none", got)
		}
	})
}

func TestSendAndClearNameTheSameCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, secret := inCookie(), token.New()
		end := time.Now().Add(time.Hour)
		for _, test := range []struct {
			name string
			do   func(h http.Header)
			want string
		}{
			{"sent", func(h http.Header) { tr.Send(h, secret, time.Time{}) }, "__Host-session=T; Path=/; HttpOnly; Secure; SameSite=Lax; Priority=High"},
			{"sent to stay", func(h http.Header) { tr.Send(h, secret, end) }, "__Host-session=T; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax; Priority=High"},
			{"cleared", func(h http.Header) { tr.Clear(h) }, "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
			{"dropped", func(h http.Header) {
				h.Add("Set-Cookie", tr.Cookie.Drop("other"))
				h.Set("Cache-Control", `private, no-cache="Set-Cookie"`)
			}, "other=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		} {
			h := http.Header{"Set-Cookie": {"theirs=1"}}
			test.do(h)
			lines := strings.ReplaceAll(strings.Join(h["Set-Cookie"], "\n"), secret.Reveal(), "T")
			if want := "theirs=1\n" + test.want; lines != want {
				t.Errorf("%s: got %s, want %s", test.name, lines, want)
			}
			if got, want := h.Get("Cache-Control"), `private, no-cache="Set-Cookie"`; got != want {
				t.Errorf("%s: Cache-Control is %s, want %s", test.name, got, want)
			}
		}
	})
}

func TestTokenInAHeaderField(t *testing.T) {
	tr, secret := inHeader(), token.New()
	h := http.Header{"X-Session": {"the token of before"}}
	tr.Send(h, secret, time.Now().Add(time.Hour))
	if got := h["X-Session"]; len(got) != 1 || got[0] != secret.Reveal() || h.Get("Cache-Control") != `private, no-cache="X-Session"` || len(h) != 2 {
		t.Errorf("sent: got %d fields, Cache-Control %s", len(h), h.Get("Cache-Control"))
	}
	if got, ok := tr.Receive(h); !ok || got != secret {
		t.Errorf("received: got session %q, %v, want %q", got.ID(), ok, secret.ID())
	}
	if _, ok := tr.Receive(http.Header{"Cookie": {"__Host-session=" + secret.Reveal()}}); ok {
		t.Error("a token in a cookie is received: it belongs in the header")
	}
	h = http.Header{}
	tr.Clear(h)
	if value, ok := h["X-Session"]; !ok || value[0] != "" || h.Get("Cache-Control") != `private, no-cache="X-Session"` || len(h) != 2 {
		t.Errorf("cleared: got %v", h)
	}
	if got := tr.Varies(); got != "X-Session" {
		t.Errorf("Varies: got %q", got)
	}
	if got := inCookie().Varies(); got != "Cookie" {
		t.Errorf("Varies of a cookie: got %q", got)
	}
}

func TestFirstOfOurTokensCounts(t *testing.T) {
	one, two := token.New(), token.New()
	cookie := func(t token.Token) string { return "__Host-session=" + t.Reveal() }
	for _, test := range []struct {
		name  string
		lines []string
		ok    bool
	}{
		{"none", nil, false},
		{"alone", []string{cookie(one)}, true},
		{"among others", []string{"a=1; " + cookie(one) + "; b=2"}, true},
		{"in a line of its own", []string{"a=1", cookie(one)}, true},
		{"in quotes", []string{`__Host-session="` + one.Reveal() + `"`}, true},
		{"before another", []string{cookie(one) + "; " + cookie(two)}, true},
		{"after another", []string{cookie(two) + "; " + cookie(one)}, false},
		{"after one that is no token", []string{"__Host-session=x; " + cookie(one)}, true},
		{"after one without a value", []string{"__Host-session", cookie(one)}, true},
		{"under a longer name", []string{"x" + cookie(one)}, false},
		{"under another name", []string{"session=" + one.Reveal()}, false},
	} {
		got, ok := inCookie().Receive(http.Header{"Cookie": test.lines})
		if (ok && got == one) != test.ok {
			t.Errorf("%s: got session %q, %v, want the first token: %v", test.name, got.ID(), ok, test.ok)
		}
		if !ok && got != (token.Token{}) {
			t.Errorf("%s: got session %q where there is no token", test.name, got.ID())
		}
	}
	if n := testing.AllocsPerRun(100, func() { inCookie().Receive(http.Header{}) }); n > 0 {
		t.Errorf("a request without cookies costs %v allocations, want 0", n)
	}
}

func TestFurtherTokensAreThoseBehind(t *testing.T) {
	one, two := token.New(), token.New()
	h := http.Header{"Cookie": {"__Host-session=" + one.Reveal() + "; __Host-session=no token", "a=b; __Host-session=" + two.Reveal()}}
	for n, want := range []token.Token{one, two, {}} {
		if got, ok := inCookie().ReceiveTwin(h, n); got != want || ok != (n < 2) {
			t.Errorf("%d: got session %q, %v", n, got.ID(), ok)
		}
	}
	h["Cookie"] = []string{strings.Repeat("__Host-session="+one.Reveal()+"; ", 20)}
	if _, ok := inCookie().ReceiveTwin(h, 3); !ok {
		t.Error("the fourth is not looked at")
	}
	if _, ok := inCookie().ReceiveTwin(h, 4); ok {
		t.Error("the fifth is looked at")
	}
	foreign := inCookie()
	foreign.Format = signed{asked: new([]string)}
	for name, tr := range map[string]*transport.Transport{"another system": foreign, "a header field": inHeader()} {
		h.Set("X-Session", one.Reveal())
		if _, ok := tr.ReceiveTwin(h, 1); ok {
			t.Errorf("%s has a second token", name)
		}
	}
}

func TestACookieMayBeWithheldFromWhatOtherSitesSend(t *testing.T) {
	cookie := "__Host-session=" + token.New().Reveal()
	for _, test := range []struct {
		name                       string
		site, mode, origin, cookie string
		sameSite                   http.SameSite
		want                       bool
	}{
		{"a form of another site", "cross-site", "navigate", "https://pay.test", "", http.SameSiteLaxMode, true},
		{"a form of a sandbox", "cross-site", "navigate", "null", "", http.SameSiteLaxMode, true},
		{"a picture", "cross-site", "no-cors", "", "", http.SameSiteStrictMode, true},
		{"a call", "cross-site", "cors", "https://pay.test", "", http.SameSiteLaxMode, true},
		{"a link", "cross-site", "navigate", "", "", http.SameSiteLaxMode, false},
		{"a link, and a strict cookie", "cross-site", "navigate", "", "", http.SameSiteStrictMode, true},
		{"a link, with the strict cookie", "cross-site", "navigate", "", cookie, http.SameSiteStrictMode, false},
		{"a link of its own, and a strict cookie", "same-origin", "navigate", "", "", http.SameSiteStrictMode, false},
		{"an address that was typed", "none", "navigate", "", "", http.SameSiteStrictMode, false},
		{"with the cookie", "cross-site", "navigate", "https://pay.test", cookie, http.SameSiteLaxMode, false},
		{"a cookie for all sites", "cross-site", "navigate", "https://pay.test", "", http.SameSiteNoneMode, false},
		{"a form of its own", "same-origin", "navigate", "https://shop.test", "", http.SameSiteLaxMode, false},
		{"a form of a sibling", "same-site", "navigate", "https://www.shop.test", "", http.SameSiteLaxMode, false},
		{"an old browser", "", "", "https://pay.test", "", http.SameSiteLaxMode, false},
	} {
		h := http.Header{}
		for name, value := range map[string]string{"Sec-Fetch-Site": test.site, "Sec-Fetch-Mode": test.mode, "Origin": test.origin, "Cookie": test.cookie} {
			if value != "" {
				h.Set(name, value)
			}
		}
		tr := inCookie()
		tr.Cookie.SameSite = test.sameSite
		if got := tr.Withholds(h, "shop.test"); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	if tr := inHeader(); tr.Withholds(http.Header{"Sec-Fetch-Site": {"cross-site"}}, "shop.test") {
		t.Error("no browser withholds a header field")
	}
}

// A browser that does not say which site has made a request names its origin. That tells
// something only where the Host is known to be what browsers see: behind a proxy that
// changes it no origin would be the site's own.
func TestAnOriginIsAnotherSitesWhereTheHostIsTheBrowsers(t *testing.T) {
	says := func(origin string) http.Header {
		return http.Header{"Origin": {origin}, "Sec-Fetch-Site": {"same-origin"}}
	}
	withholds := func(tr *transport.Transport, origin, host string) bool {
		return tr.Withholds(http.Header{"Origin": {origin}}, host)
	}
	tr := inCookie()
	if withholds(tr, "https://pay.example", "www.shop.test") {
		t.Error("no browser has said what the Host is")
	}
	tr.Withholds(says("https://www.shop.test:8443"), "www.shop.test") // cookies know no ports, and a proxy may leave it out
	for _, test := range []struct {
		origin, host string
		want         bool
	}{
		{"https://pay.example", "www.shop.test", true},
		{"https://pay.example", "www.shop.test:8443", true},
		{"null", "www.shop.test", true},
		{"https://www.shop.test", "www.shop.test", false},
		{"http://www.shop.test:8080", "www.shop.test", false},
		{"https://shop.test", "www.shop.test", false},
		{"https://a.www.shop.test", "www.shop.test", false},
		{"https://app.shop.test", "www.shop.test", false}, // a sibling, which the cookie goes along with
		{"https://pay.example", "backend", false},
		{"https://pay.example", "", false},
	} {
		if got := withholds(tr, test.origin, test.host); got != test.want {
			t.Errorf("%s at the Host %q: got %v, want %v", test.origin, test.host, got, test.want)
		}
	}
	if tr.Withholds(http.Header{"Origin": {"https://pay.example"}, "Sec-Fetch-Site": {"same-site"}}, "www.shop.test") {
		t.Error("a browser that says which site has made the request is taken at its word")
	}
	if tr.Withholds(http.Header{"Origin": {"https://pay.example"}, "Cookie": {"__Host-session=" + token.New().Reveal()}}, "www.shop.test") {
		t.Error("the cookie came")
	}
	if tr.Withholds(http.Header{}, "www.shop.test") {
		t.Error("no browser, or an old one that names no origin")
	}

	tr.Withholds(says("https://www.shop.test"), "backend")
	tr.Withholds(says("https://backend"), "backend") // somebody who knows the inner name
	if withholds(tr, "https://www.shop.test", "backend") || withholds(tr, "https://pay.example", "backend") {
		t.Error("a proxy has changed the Host, as a browser has shown")
	}
	tr.Withholds(says("null"), "www.shop.test") // a page with Referrer-Policy: no-referrer
	if withholds(tr, "null", "www.shop.test") {
		t.Error("the site's own pages name no origin")
	}

	tr = inCookie()
	for n := range 2000 { // somebody who makes up a Host
		host := fmt.Sprintf("www%d.shop.test", n)
		tr.Withholds(says("https://"+host), host)
	}
	if !withholds(tr, "https://pay.example", "www0.shop.test") || withholds(tr, "https://pay.example", "www1999.shop.test") {
		t.Error("want a bound on the hosts that are remembered")
	}
}

// Another system decides by the first cookie of the name that has a value, and
// gets it as it stands.
func TestAnotherSystemIsAskedOnce(t *testing.T) {
	for _, test := range []struct {
		lines []string
		asked string // with "|" in front of each
		ok    bool
	}{
		{[]string{"__Host-session=s:a"}, "|s:a", true},
		{[]string{"__Host-session=bad; __Host-session=s:a"}, "|bad", false},
		{[]string{"__Host-session; __Host-session=s:a"}, "|s:a", true},
		{[]string{"__Host-session=; __Host-session=s:a"}, "|", false},
		{[]string{`__Host-session="s:a"`}, `|"s:a"`, false},
		{[]string{"a=b"}, "", false},
	} {
		var asked []string
		tr := inCookie()
		tr.Format = signed{asked: &asked}
		got, ok := tr.Receive(http.Header{"Cookie": test.lines})
		all := ""
		for _, a := range asked {
			all += "|" + a
		}
		if all != test.asked || ok != test.ok || ok && got.ID() != "a" {
			t.Errorf("%q: asked %q, got %q, %v, want %q, %v", test.lines, all, got.ID(), ok, test.asked, test.ok)
		}
	}
}

func TestTokensOfAnotherSystem(t *testing.T) {
	tr := inCookie()
	tr.Format = signed{asked: new([]string)}
	if got := tr.NewToken(t.Context()); got != token.Foreign("s:new", "new") {
		t.Errorf("NewToken: got %q for session %q", got.Reveal(), got.ID())
	}
	for text, want := range map[string]bool{
		"s:id": true, "id": false, "s:members-0": false, "s:~incarnation-0": false, "s:adopted-" + strings.Repeat("0", 32): false,
	} {
		if got, ok := tr.Parse(text); ok != want || ok && got != token.Foreign(text, "id") {
			t.Errorf("Parse(%q): got session %q, %v, want %v", text, got.ID(), ok, want)
		}
	}
}

func TestOurTokens(t *testing.T) {
	tr := inCookie()
	made := tr.NewToken(t.Context())
	if got, ok := tr.Parse(made.Reveal()); !ok || got != made {
		t.Errorf("Parse of a new token: got session %q, %v, want %q", got.ID(), ok, made.ID())
	}
	if _, ok := tr.Parse("s:a"); ok {
		t.Error("another system's token is taken for ours")
	}
	for name, want := range map[string]bool{"__Host-session": true, "__Host-session-b0": false, "__host-session": false, "": false} {
		if got := tr.IsToken(name); got != want {
			t.Errorf("IsToken(%q): got %v, want %v", name, got, want)
		}
	}
}

// FuzzReceive compares what is received with what net/http finds under the name.
func FuzzReceive(f *testing.F) {
	const name, form = "__Host-session", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, line := range []string{
		name + "=" + form, "\u2000" + name + "=" + form, name + `="` + form + `"`, name + "= " + form,
		name + "=x; " + name + "=" + form, name, ";;=", "a=1;" + name + "\t=" + form + " ",
	} {
		f.Add(line, name+"="+form[1:]+"E")
	}
	tr := inCookie()
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsAny(one+two, "\r\n") || strings.Count(one+two, ";") > 1000 {
			return // no header has a line break, and net/http has a limit of its own
		}
		r := http.Request{Header: http.Header{"Cookie": {one, two}}}
		var want token.Token
		found := false
		for _, cookie := range r.CookiesNamed(name) {
			if want, found = token.Parse(cookie.Value); found {
				break
			}
		}
		if got, ok := tr.Receive(r.Header); got != want || ok != found {
			t.Errorf("%q: got session %q, %v, want %q, %v", r.Header["Cookie"], got.ID(), ok, want.ID(), found)
		}
	})
}

func TestWhatIsHandedOnHasNothingOfTheSession(t *testing.T) {
	tr := inCookie()
	h := http.Header{"Cookie": {
		`a=1;  __Host-session=t; b="2" ;__Host-session-b0=c; __Host-session-b3=d; __Host-session-x=e; __Host-session-theme=f; __Host-session=u`,
		"__Host-session-b12=g", "__Host-session-b1=h",
	}, "X-Other": {"i"}}
	want := http.Header{"Cookie": {`a=1; b="2"; __Host-session-theme=f`, "__Host-session-b12=g"}, "X-Other": {"i"}}
	if got := tr.Strip(h); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(h["Cookie"]) != 3 || !strings.Contains(h["Cookie"][0], "__Host-session=t") {
		t.Error("the header of the request itself has changed")
	}
	if got := tr.Strip(http.Header{"Cookie": {"__Host-session=t"}}); len(got) != 0 {
		t.Errorf("got %v, want no header", got)
	}
	if got := inHeader().Strip(http.Header{"X-Session": {"t"}, "Cookie": {"a=1"}}); len(got) != 1 || got["Cookie"] == nil {
		t.Errorf("with a field of its own: got %v", got)
	}
}

func TestPlainHTTPIsNoticed(t *testing.T) {
	for _, test := range []struct {
		name, host, field string
		tls               bool
		want              bool
	}{
		{"an address in the local net", "192.168.1.20:8080", "", false, true},
		{"a name", "shop.test", "", false, true},
		{"https", "shop.test", "", true, false},
		{"this machine", "localhost:8080", "", false, false},
		{"this machine by its address", "127.0.0.1:8080", "", false, false},
		{"this machine, in the new form", "[::1]:8080", "", false, false},
		{"this machine under a name of an application", "app.localhost", "", false, false},
		{"a browser over https", "shop.test", "Sec-Fetch-Site", false, false},
		{"a proxy", "shop.test", "X-Forwarded-For", false, false},
		{"a proxy that says how it was asked", "shop.test", "X-Forwarded-Proto", false, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = test.host
		if test.tls {
			r.TLS = new(tls.ConnectionState)
		}
		if test.field != "" {
			r.Header.Set(test.field, "none")
		}
		if got := inCookie().OverPlainHTTP(r); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		insecure := inCookie()
		insecure.Cookie.Insecure = true
		if insecure.OverPlainHTTP(r) || inHeader().OverPlainHTTP(r) {
			t.Errorf("%s: no Secure cookie is lost", test.name)
		}
	}
}

// A handler's own cookie whose name begins with ours is the handler's.
func TestLinesAreThoseOfTheSession(t *testing.T) {
	tr := inCookie()
	h := http.Header{"Set-Cookie": {
		"__Host-session=a; Path=/", "__Host-session-b0=b", "__Host-session-x=c", "__Host-session-theme=dark", "__Host-sessions=d", "__Host-session-b=e", "other=f",
	}}
	want := []string{"Set-Cookie: __Host-session=a; Path=/", "Set-Cookie: __Host-session-b0=b", "Set-Cookie: __Host-session-x=c"}
	if got := tr.Lines(h); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	tr = inHeader()
	h = http.Header{"X-Session": {"a"}, "X-Session-Theme": {"dark"}}
	if got, want := tr.Lines(h), []string{"X-Session: a"}; !reflect.DeepEqual(got, want) {
		t.Errorf("in a field: got %q, want %q", got, want)
	}
}

func TestAConfiguredTransport(t *testing.T) {
	secure := transport.Attributes{Name: "__Host-session", Secure: func(*http.Request) bool { return false }}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, test := range []struct {
		name   string
		cookie transport.Attributes
		header string
		format foreign.Format
		plain  string // the cookie of a request over plain http
		varies string
	}{
		{"one cookie", transport.Attributes{Name: "__Host-session"}, "", nil, "__Host-session", "Cookie"},
		{"a cookie over TLS and one over plain http", secure, "", nil, "session", "Cookie"},
		{"a field", secure, "x-session", nil, "__Host-session", "X-Session"},
		{"another system's cookie", transport.Attributes{Name: "connect.sid"}, "", signed{}, "connect.sid", "Cookie"},
	} {
		var tr transport.Transport
		tr.Configure(test.cookie, test.header, test.format)
		if got := tr.Of(r).Cookie.Name; got != test.plain {
			t.Errorf("%s: over plain http got the cookie %q, want %q", test.name, got, test.plain)
		}
		if tr.Cookie.Name != test.cookie.Name || tr.Varies() != test.varies || tr.Format != test.format {
			t.Errorf("%s: got the cookie %q, Vary %q, format %v", test.name, tr.Cookie.Name, tr.Varies(), tr.Format)
		}
	}
}
