package session_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// setCookie is the first answer to a visitor under these options.
func setCookie(t *testing.T, o *session.Options) (*http.Response, *sessiontest.Visitor, *session.Manager) {
	t.Helper()
	m := sessiontest.New(t, o)
	v := sessiontest.NewVisitor(t, m)
	answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "bob") })), "/")
	return answer, v, m
}

func TestTheCookieThatIsSet(t *testing.T) {
	for _, test := range []struct {
		name   string
		cookie session.Cookie
		want   string // with T for the token
	}{
		{"the default", session.Cookie{}, "__Host-session=T; Path=/; HttpOnly; Secure; SameSite=Lax; Priority=High"},
		{"with a domain", session.Cookie{Domain: "shop.test"}, "__Secure-session=T; Path=/; Domain=shop.test; HttpOnly; Secure; SameSite=Lax; Priority=High"},
		{"with a path", session.Cookie{Path: "/admin"}, "__Secure-session=T; Path=/admin; HttpOnly; Secure; SameSite=Lax; Priority=High"},
		{"insecure", session.Cookie{Insecure: true}, "session=T; Path=/; HttpOnly; SameSite=Lax; Priority=High"},
		{"strict", session.Cookie{SameSite: http.SameSiteStrictMode}, "__Host-session=T; Path=/; HttpOnly; Secure; SameSite=Strict; Priority=High"},
		{"for other sites", session.Cookie{SameSite: http.SameSiteNoneMode}, "__Host-session=T; Path=/; HttpOnly; Secure; SameSite=None; Priority=High"},
		{
			"in other sites", session.Cookie{SameSite: http.SameSiteNoneMode, Partitioned: true},
			"__Host-session=T; Path=/; HttpOnly; Secure; SameSite=None; Partitioned; Priority=High",
		},
		{"with a name", session.Cookie{Name: "id"}, "id=T; Path=/; HttpOnly; Secure; SameSite=Lax; Priority=High"},
		{"persistent", session.Cookie{Persistent: true}, "__Host-session=T; Path=/; Max-Age=86399; HttpOnly; Secure; SameSite=Lax; Priority=High"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, v, m := setCookie(t, &session.Options{Cookie: test.cookie})
			token := answer.Cookies()[0].Value
			got := strings.ReplaceAll(strings.Join(answer.Header["Set-Cookie"], "\n"), token, "T")
			if got = strings.Replace(got, "86400", "86399", 1); got != test.want || len(token) != 43 {
				t.Errorf("Set-Cookie: %s\nwant        %s", got, test.want)
			}
			cleared := v.Do(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Destroy(r.Context()) })),
				v.Request(http.MethodPost, "/", nil)).Header.Get("Set-Cookie")
			_, attributes, _ := strings.Cut(test.want, "; ")
			if strings.Replace(cleared, "Max-Age=0; ", "", 1) != test.want[:strings.Index(test.want, "=")]+"=; "+strings.NewReplacer("Max-Age=86399; ", "", "; Priority=High", "").Replace(attributes) {
				t.Errorf("a logout sets %s: it must name the same cookie", cleared)
			}
		})
	}
}

func TestTheTokenInAHeader(t *testing.T) {
	answer, v, m := setCookie(t, &session.Options{Header: "x-session"})
	token := answer.Header.Get("X-Session")
	if len(token) != 43 || answer.Header["Set-Cookie"] != nil || answer.Header.Get("Vary") != "X-Session" ||
		answer.Header.Get("Cache-Control") != `private, no-cache="X-Session"` {
		t.Fatalf("answer %v", answer.Header)
	}
	r := v.Request(http.MethodGet, "/", nil)
	r.Header.Set("X-Session", token)
	again := v.Do(m.Require(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		if got := user.Or(s, ""); got != "bob" {
			t.Errorf("user = %q", got)
		}
		s.Destroy(r.Context())
	})), r)
	if got, ok := again.Header["X-Session"]; again.StatusCode != http.StatusOK || !ok || got[0] != "" {
		t.Errorf("a logout answers %d with %v, want the header empty", again.StatusCode, again.Header)
	}
	r = v.Request(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "__Host-session="+token)
	if answer := v.Do(m.Require(http.NotFoundHandler()), r); answer.StatusCode != http.StatusForbidden {
		t.Errorf("the token in a cookie gives %d: it belongs in the header", answer.StatusCode)
	}
}

func TestBadOptionsAreAllNamed(t *testing.T) {
	for _, test := range []struct {
		name string
		o    session.Options
		want []string
	}{
		{"__Host- with a domain", session.Options{Cookie: session.Cookie{Name: "__Host-id", Domain: "shop.test"}},
			[]string{`cookie "__Host-id" cannot have Domain "shop.test"; drop the prefix or the domain`}},
		{"__host- in other case, with a path", session.Options{Cookie: session.Cookie{Name: "__host-id", Path: "/x"}}, []string{`cannot have Path "/x"`}},
		{"__Secure- and insecure", session.Options{Cookie: session.Cookie{Name: "__Secure-id", Insecure: true}}, []string{"cannot be Insecure"}},
		{"a name with a blank", session.Options{Cookie: session.Cookie{Name: "my id"}}, []string{`cookie "my id" is not valid`}},
		{"a name with a line feed", session.Options{Cookie: session.Cookie{Name: "id\nSet-Cookie: x"}}, []string{"is not valid"}},
		{"a domain that is none", session.Options{Cookie: session.Cookie{Domain: "shop;test"}}, []string{"is not valid"}},
		{"a path that does not begin with a slash", session.Options{Cookie: session.Cookie{Path: "admin"}}, []string{"does not begin with /"}},
		{"a path with a semicolon", session.Options{Cookie: session.Cookie{Path: "/a;b"}}, []string{"is not valid"}},
		{"SameSite=None and insecure", session.Options{Cookie: session.Cookie{SameSite: http.SameSiteNoneMode, Insecure: true}}, []string{"SameSite=None"}},
		{"an unknown SameSite", session.Options{Cookie: session.Cookie{SameSite: 9}}, []string{"unknown SameSite 9"}},
		{"a header that is none", session.Options{Header: "X Session"}, []string{`Header "X Session" is not a header field name`}},
		{"a header with a meaning", session.Options{Header: "authorization"}, []string{"has a meaning of its own"}},
		{"negative times, each named", session.Options{Idle: -1, Lifetime: -1, ReadTimeout: -1, SaveTimeout: -1, Refresh: -1},
			[]string{"Idle", "Lifetime", "ReadTimeout", "SaveTimeout", "Refresh"}},
		{"a negative idle, whose refresh nobody set", session.Options{Idle: -time.Second}, []string{"Idle is negative: -1s"}},
		{"a negative lifetime, whose idle nobody set", session.Options{Lifetime: -time.Second}, []string{"Lifetime is negative: -1s"}},
		{"a lifetime shorter than a second", session.Options{Lifetime: time.Millisecond}, []string{"Lifetime 1ms is shorter than a second"}},
		{"a negative idle, and a refresh", session.Options{Idle: -time.Second, Refresh: time.Minute}, []string{"Idle is negative: -1s"}},
		{"a refresh longer than idle", session.Options{Idle: time.Minute, Refresh: time.Hour}, []string{"Refresh 1h0m0s is longer than Idle 1m0s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := session.New(memstore.New(nil), &test.o)
			if err == nil || m != nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != len(test.want) {
				t.Errorf("error %q has %d lines, want %d", err, lines, len(test.want))
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "session: ") {
					t.Errorf("error line %q has no prefix", line)
				}
			}
		})
	}
	if _, err := session.New(nil, nil); err == nil || !strings.Contains(err.Error(), "store is nil") {
		t.Errorf("New without a store: %v", err)
	}
}

func TestCookiesThatVisitorsSend(t *testing.T) {
	answer, _, m := setCookie(t, nil)
	token := answer.Cookies()[0].Value
	other := map[bool]string{true: "B", false: "A"}[token[0] == 'A'] + token[1:]
	for _, test := range []struct {
		name  string
		lines []string
		found bool
	}{
		{"alone", []string{"__Host-session=" + token}, true},
		{"among others", []string{"a=1; __Host-session=" + token + "; b=2"}, true},
		{"in a line of its own", []string{"a=1", "__Host-session=" + token}, true},
		{"with blanks around", []string{"  __Host-session =" + token + "  "}, true},
		{"with tabs around", []string{"\t__Host-session\t=" + token + "\t"}, true},
		{"with a blank before the value, which net/http takes for a part of it", []string{"__Host-session= " + token}, false},
		{"in quotes", []string{`__Host-session="` + token + `"`}, true},
		{"in half a pair of quotes", []string{`__Host-session="` + token}, false},
		{"after one in quotes that is no token", []string{`__Host-session="x"`, "__Host-session=" + token}, true},
		{"after one that is no token", []string{"__Host-session=x; __Host-session=" + token}, true},
		{"in another case", []string{"__host-session=" + token}, false},
		{"as a part of another name", []string{"x__Host-session=" + token}, false},
		{"cut short", []string{"__Host-session=" + token[:42]}, false},
		{"too long", []string{"__Host-session=" + token + "A"}, false},
		{"with a line feed inside", []string{"__Host-session=" + token[:20] + "\n" + token[21:]}, false},
		{"with padding", []string{"__Host-session=" + token[:42] + "="}, false},
		{"spelled with other trailing bits", []string{"__Host-session=" + nonCanonical(token)}, false},
		{"behind another well-formed token", []string{"__Host-session=" + other + "; __Host-session=" + token}, true},
		{"empty", []string{"__Host-session="}, false},
		{"only a name", []string{"__Host-session"}, false},
		{"only separators", []string{";;;=;=;"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := m.Load(t.Context(), http.Header{"Cookie": test.lines})
			err := s.Err()
			if err != nil || (s.ID() != "") != test.found {
				t.Errorf("found session %v, %v; want found = %v", s, err, test.found)
			}
		})
	}
}

// nonCanonical changes the two bits of the last character that base64 ignores.
func nonCanonical(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return token[:42] + string(alphabet[strings.IndexByte(alphabet, token[42])|1])
}

func FuzzCookieHeader(f *testing.F) {
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a=1; __Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; b")
	f.Add(`__Host-session="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`)
	f.Fuzz(func(t *testing.T, line string) {
		s := m.Load(t.Context(), http.Header{"Cookie": {line}})
		err := s.Err()
		if err != nil || s.Source() != session.FromNowhere {
			t.Errorf("Cookie %q shows session %v, %v", line, s, err)
		}
	})
}

// Every cookie of a session is partitioned, or a browser would keep half of them apart.
func TestAllCookiesArePartitioned(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	answer, v, m := setCookie(t, &session.Options{
		Cookie: session.Cookie{SameSite: http.SameSiteNoneMode, Partitioned: true},
		Backup: &session.Backup{Keys: keys, Audience: "test"},
	})
	logout := v.Do(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Destroy(r.Context()) })),
		v.Request(http.MethodPost, "/", nil))
	for _, lines := range [][]string{answer.Header["Set-Cookie"], logout.Header["Set-Cookie"]} {
		if len(lines) < 2 {
			t.Errorf("%d cookies, want a token and a copy", len(lines))
		}
		for _, line := range lines {
			if !strings.Contains(line, "; Partitioned") {
				t.Errorf("%s is not partitioned", line)
			}
		}
	}
}

// A visitor in the local net opens the login page by the machine's address.
func TestASecureCookieOverPlainHTTPIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	m := sessiontest.New(t, &session.Options{Hooks: session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))})
	h := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "bob") }))
	for _, target := range []string{"https://shop.test/", "http://localhost:8080/"} {
		if h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, target, nil)); log.Len() > 0 {
			t.Errorf("%s: %s", target, &log)
		}
	}
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "http://192.168.1.20:8080/", nil))
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "plain http") || !strings.Contains(text, "192.168.1.20:8080") {
		t.Errorf("three logins over plain http are told: %q, want one line with the host", text)
	}
}

// A gateway with sessions of its own hands requests on.
func TestAGatewayKeepsItsCookiesToItself(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m := sessiontest.New(t, &session.Options{Backup: &session.Backup{Keys: keys, Audience: "test"}})
	var got []string
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header["Cookie"] }))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		m.StripCookies(p.Out)
	}}
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	r := v.Request(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "theirs", Value: "1"})
	if sent := len(r.Cookies()); sent < 3 {
		t.Fatalf("the visitor has %d cookies, want a token, a copy and another one", sent)
	}
	answer := v.Do(m.Require(proxy), r)
	if answer.StatusCode != http.StatusOK || strings.Join(got, "\n") != "theirs=1" {
		t.Errorf("status %d; the upstream got %q, want its own cookie alone", answer.StatusCode, got)
	}

	// On the request itself, before the session is asked for.
	v.Do(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.StripCookies(r)
		if s, _ := session.From(r.Context()); user.Or(s, "") != "bob" || len(r.Cookies()) > 0 {
			t.Errorf("the session is of %q, and %d cookies are left", user.Or(s, ""), len(r.Cookies()))
		}
	})), v.Request(http.MethodGet, "/", nil))
}
