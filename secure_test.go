package session_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// proxy is where the proxy of these tests has its address; lan is a visitor's.
const (
	proxy = "10.0.0.7:40000"
	lan   = "192.168.1.20:50000"
)

// bothWays are the options of a process that serves TLS behind a proxy and plain http.
func bothWays(t *testing.T) *session.Options {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return &session.Options{
		Cookie: session.Cookie{Secure: session.TLSBehind(netip.MustParsePrefix("10.0.0.0/24"))},
		Backup: &session.Backup{Keys: keys, Audience: "test"},
	}
}

// comes makes r a request that came from a peer, of which a proxy says proto unless that is
// empty.
func comes(r *http.Request, peer, proto string) *http.Request {
	r.RemoteAddr = peer
	if proto != "" {
		r.Header.Set("X-Forwarded-Proto", proto)
	}
	return r
}

// Each visitor has a session over TLS and another over plain http, and no cookie of one is
// of any use in the other.
func TestCookiesAreSecureAsTheRequestIs(t *testing.T) {
	m := sessiontest.New(t, bothWays(t))
	h := m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		switch r.URL.Path {
		case "/login":
			user.Set(s, r.URL.Query().Get("as"))
		case "/logout":
			if _, err := s.Destroy(r.Context()); err != nil {
				t.Error(err)
			}
			return
		}
		fmt.Fprint(w, user.Or(s, "nobody"))
	}))
	v := sessiontest.NewVisitor(t, m)
	visit := func(path, peer, proto string) (body string, set []string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, comes(v.Request(http.MethodPost, "http://shop.test"+path, nil), peer, proto))
		answer := w.Result()
		v.Keep(answer)
		return w.Body.String(), answer.Header["Set-Cookie"]
	}
	check := func(lines []string, secure bool) {
		t.Helper()
		if len(lines) < 2 {
			t.Errorf("%q: want the token's cookie and others", lines)
		}
		for _, line := range lines {
			prefixed := strings.HasPrefix(line, "__Host-session")
			if got := strings.Contains(line, "; Secure"); got != secure || prefixed != secure || !secure && !strings.HasPrefix(line, "session") {
				t.Errorf("%s: want Secure and the prefix %v", line, secure)
			}
			if !strings.Contains(line, "; HttpOnly") {
				t.Errorf("%s: scripts can read it", line)
			}
		}
	}

	_, set := visit("/login?as=ann", proxy, "https")
	check(set, true)
	_, set = visit("/login?as=bob", lan, "")
	check(set, false)
	if names := namesOf(v.Request(http.MethodGet, "/", nil)); !slices.Contains(names, "session") || !slices.Contains(names, "__Host-session") {
		t.Fatalf("the browser has %v", names)
	}
	// The browser of these requests sends all that it has, as over TLS.
	for _, test := range []struct{ peer, proto, want string }{
		{proxy, "https", "ann"},
		{lan, "", "bob"},
		{proxy, "http", "bob"},
		{lan, "https", "bob"}, // nobody trusts what a visitor says
	} {
		if got, _ := visit("/", test.peer, test.proto); got != test.want {
			t.Errorf("from %s with %q: %s, want %s", test.peer, test.proto, got, test.want)
		}
	}
	_, set = visit("/logout", proxy, "https")
	check(set, true)
	if got, _ := visit("/", proxy, "https"); got != "nobody" {
		t.Errorf("after the logout over TLS: %s", got)
	}
	if got, _ := visit("/", lan, ""); got != "bob" {
		t.Errorf("the logout over TLS ends the session over plain http: %s", got)
	}
	_, set = visit("/logout", lan, "")
	check(set, false)
	if got, _ := visit("/", lan, ""); got != "nobody" {
		t.Errorf("after the logout over plain http: %s", got)
	}
}

func bodyOf(t *testing.T, answer *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func namesOf(r *http.Request) (names []string) {
	for _, c := range r.Cookies() {
		names = append(names, c.Name)
	}
	return names
}

// An attacker who listens in the local net can send what a browser has sent, under the
// other names too. A copy from plain http opens nothing over TLS, even while the store is
// away and only copies count.
func TestACopyOfPlainHTTPVouchesForNothingOverTLS(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, bothWays(t))
	v := sessiontest.NewVisitor(t, m)
	show := m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context()) // the commit answers the error
		if r.Method == http.MethodPost {
			user.Set(s, "bob")
		}
		fmt.Fprint(w, user.Or(s, "nobody"))
	})
	v.Do(show, comes(v.Request(http.MethodPost, "http://shop.test/", nil), lan, ""))
	store.Fail(errRefused)
	if got := bodyOf(t, v.Do(show, comes(v.Request(http.MethodGet, "http://shop.test/", nil), lan, ""))); got != "bob" {
		t.Fatalf("over plain http in the outage: %q, want the session of the copy", got)
	}
	r := comes(httptest.NewRequest(http.MethodGet, "http://shop.test/", nil), proxy, "https")
	for _, c := range v.Request(http.MethodGet, "/", nil).Cookies() {
		r.AddCookie(&http.Cookie{Name: "__Host-" + c.Name, Value: c.Value})
	}
	w := httptest.NewRecorder()
	show.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("over TLS with the copy of plain http: %d %s, want 503", w.Code, w.Body)
	}
}

// However both sets of cookies grow, nginx takes the line: 8190 bytes, as PROXIES.md has it.
func TestBothSetsOfCookiesFitOneLine(t *testing.T) {
	o := bothWays(t)
	m := sessiontest.New(t, o)
	v := sessiontest.NewVisitor(t, m)
	key := session.NewKey[string]("text", session.Uncompressed())
	h := m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		if r.URL.Path == "/logout" {
			if _, err := s.Destroy(r.Context()); err != nil {
				t.Error(err)
			}
		}
		n := 1200 // bytes, in two of the cookies over TLS and in all four over plain http
		if r.URL.Query().Has("small") && r.Header.Get("X-Forwarded-Proto") != "" {
			n = 900
		}
		key.Set(s, strings.Repeat(r.URL.Query().Get("x"), n))
	}))
	longest := 0
	send := func(path, peer, proto string) *http.Response {
		r := comes(v.Request(http.MethodPost, "http://shop.test"+path, nil), peer, proto)
		longest = max(longest, len("Cookie: \r\n")+len(r.Header.Get("Cookie")))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for round := range 40 {
		path := fmt.Sprintf("/?x=%c", 'a'+round%26)
		if round%10 == 9 {
			path = "/logout?x=z"
		}
		if round >= 20 {
			path += "&small"
		}
		// Answers that overlap: each browser tab has sent before any answer arrived.
		var answers []*http.Response
		for range 3 {
			answers = append(answers, send(path, proxy, "https"), send(path, lan, ""))
		}
		for _, answer := range answers {
			v.Keep(answer)
		}
	}
	if longest < 6000 || longest > 8190-700 {
		t.Errorf("the longest Cookie line has %d bytes, want less than 8190 with 700 for other cookies, and copies in it", longest)
	}
	t.Logf("longest Cookie line: %d bytes", longest)
}

func TestSecureThatContradictsOtherOptionsIsRefused(t *testing.T) {
	secure := func(*http.Request) bool { return true }
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	backup := func(budget, size int) *session.Backup {
		return &session.Backup{Keys: keys, Audience: "test", Budget: budget, Copy: size}
	}
	for _, test := range []struct {
		name string
		o    session.Options
		want string
	}{
		{"with Insecure", session.Options{Cookie: session.Cookie{Secure: secure, Insecure: true}}, "drop one of the two"},
		{"a name without a prefix", session.Options{Cookie: session.Cookie{Secure: secure, Name: "id"}}, "needs the prefix __Host- or __Secure-"},
		{"a name that is a prefix", session.Options{Cookie: session.Cookie{Secure: secure, Name: "__Host-"}}, "is not valid"},
		{"a name with two prefixes", session.Options{Cookie: session.Cookie{Secure: secure, Name: "__Host-__Secure-id"}}, "cannot be Insecure"},
		{"SameSite=None", session.Options{Cookie: session.Cookie{Secure: secure, SameSite: http.SameSiteNoneMode}}, "SameSite=None or Partitioned"},
		{"Partitioned", session.Options{Cookie: session.Cookie{Secure: secure, Partitioned: true}}, "SameSite=None or Partitioned"},
		{"a Copy beyond half of the Budget", session.Options{Cookie: session.Cookie{Secure: secure}, Backup: backup(3000, 2000)}, "Budget 3000"},
		{"the largest Budget", session.Options{Cookie: session.Cookie{Secure: secure}, Backup: backup(6656, 2000)}, "Budget 6656"},
		{"an old cookie of the name over plain http", session.Options{Cookie: session.Cookie{Secure: secure}, Adopt: &session.Adopt{Cookie: "session", Read: func(*http.Request, *session.Session) (until time.Time, err error) { return until, nil }}},
			`cookie "session", which is also ours`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := session.New(memstore.New(nil), &test.o)
			if err == nil || m != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, test.want)
			}
		})
	}
}

// The hooks report once that a cookie is lost, and once that a cookie goes without Secure
// over TLS. They report neither where Cookie.Secure knows how the visitor came.
func TestWhatSecureDoesNotSeeIsTold(t *testing.T) {
	for _, test := range []struct {
		name   string
		cookie session.Cookie
		target string
		field  string // with the value none, or https for X-Forwarded-Proto
		want   string
	}{
		{"plain http, as Secure says", session.Cookie{Secure: session.TLSBehind()}, "http://192.168.1.20/", "", ""},
		{"TLS to this process, which Secure does not see", session.Cookie{Secure: session.TLSBehind()}, "https://shop.test/", "", ""},
		{"plain http that Secure takes for TLS", session.Cookie{Secure: func(*http.Request) bool { return true }}, "http://192.168.1.20/", "", "lost over plain http"},
		{"TLS of which the proxy says nothing", session.Cookie{Secure: session.TLSBehind()}, "http://shop.test/", "Sec-Fetch-Site", "not Secure over https"},
		{"this machine, to which browsers say more", session.Cookie{Secure: session.TLSBehind()}, "http://localhost/", "Sec-Fetch-Site", ""},
		{"Insecure over TLS", session.Cookie{Insecure: true}, "https://shop.test/", "", "not Secure over https"},
		{"Insecure over plain http", session.Cookie{Insecure: true}, "http://192.168.1.20/", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			m := sessiontest.New(t, &session.Options{Cookie: test.cookie, Hooks: session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))})
			h := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "bob") }))
			for range 3 {
				r := httptest.NewRequest(http.MethodPost, test.target, nil)
				if test.field != "" {
					r.Header.Set(test.field, "same-origin")
				}
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			lines := strings.Count(log.String(), "\n")
			if told := test.want != ""; told && lines != 1 || !told && lines != 0 || !strings.Contains(log.String(), test.want) {
				t.Errorf("three logins are told: %q, want %q once", &log, test.want)
			}
		})
	}
}

// A request of Load has a header alone. The token in it shows how it came.
func TestLoadTakesTheCookieThatIsThere(t *testing.T) {
	o := bothWays(t)
	type way struct{}
	behind := o.Cookie.Secure
	o.Cookie.Secure = func(r *http.Request) bool { return r.Context().Value(way{}) == true || behind(r) }
	m := sessiontest.New(t, o)
	save := func(ctx context.Context, in http.Header) (set string) {
		t.Helper()
		s := m.Load(ctx, in)
		count.Set(s, count.Or(s, 0)+1)
		out := http.Header{}
		if err := m.Commit(ctx, s, out); err != nil {
			t.Fatal(err)
		}
		for _, line := range out["Set-Cookie"] {
			set += line + "\n"
		}
		return set
	}
	if got := save(t.Context(), http.Header{}); !strings.HasPrefix(got, "session=") || strings.Contains(got, "Secure") {
		t.Errorf("without a token: %s", got)
	}
	first := save(context.WithValue(t.Context(), way{}, true), http.Header{})
	pair, _, _ := strings.Cut(first, ";")
	if !strings.HasPrefix(pair, "__Host-session=") {
		t.Fatalf("where Secure says so: %s", first)
	}
	in := http.Header{"Cookie": {pair}}
	if got := save(t.Context(), in); strings.HasPrefix(got, "session") {
		t.Errorf("with the token of TLS: %s", got)
	}
	if got := m.Load(t.Context(), in); count.Or(got, 0) != 2 {
		t.Errorf("count = %d, want 2", count.Or(got, 0))
	}
}

// A gateway takes off the cookies of both.
func TestAGatewayKeepsBothSetsOfCookiesToItself(t *testing.T) {
	m := sessiontest.New(t, bothWays(t))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, name := range []string{"session", "session-b0", "session-x", "__Host-session", "__Host-session-b3", "sessions", "theirs"} {
		r.AddCookie(&http.Cookie{Name: name, Value: "1"})
	}
	m.StripCookies(r)
	if got := r.Header.Get("Cookie"); got != "sessions=1; theirs=1" {
		t.Errorf("the upstream gets %q", got)
	}
}

func TestTLSBehind(t *testing.T) {
	behind := session.TLSBehind(netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/8"))
	for _, test := range []struct {
		peer, field, value string
		want               bool
	}{
		{proxy, "X-Forwarded-Proto", "https", true},
		{proxy, "X-Forwarded-Proto", "HTTPS", true},
		{proxy, "X-Forwarded-Proto", "https, http", true},
		{proxy, "X-Forwarded-Proto", "http, https", false},
		{proxy, "X-Forwarded-Proto", "http", false},
		{proxy, "X-Forwarded-Proto", "", false},
		{proxy, "Forwarded", `for=192.0.2.1;proto=https;by=10.0.0.7`, true},
		{proxy, "Forwarded", `For=192.0.2.1; Proto="https"`, true},
		{proxy, "Forwarded", `for=192.0.2.1;proto=http, for=10.0.0.9;proto=https`, false},
		{proxy, "Forwarded", `for=192.0.2.1`, false},
		{proxy, "X-Other", "https", false},
		{"[fd00::7]:40000", "X-Forwarded-Proto", "https", true},
		{"[fd00::7%eth0]:40000", "X-Forwarded-Proto", "https", true},
		{"[::ffff:10.0.0.7]:40000", "X-Forwarded-Proto", "https", true},
		{"@", "X-Forwarded-Proto", "https", true},
		{"", "X-Forwarded-Proto", "https", true},
		{lan, "X-Forwarded-Proto", "https", false},
		{"/run/nginx.sock", "X-Forwarded-Proto", "https", true},
		{"10.0.0.7", "X-Forwarded-Proto", "https", true},
		{"192.168.1.20", "X-Forwarded-Proto", "https", false}, // the visitor's, where middleware takes it from the proxy
		{"proxy.test:80", "X-Forwarded-Proto", "https", false},
		{"[fd00::7", "X-Forwarded-Proto", "https", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = test.peer
		r.Header.Set(test.field, test.value)
		if got := behind(r); got != test.want {
			t.Errorf("from %q with %s: %s: %v, want %v", test.peer, test.field, test.value, got, test.want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = proxy
	r.Header.Set("X-Forwarded-Proto", "http") // by the proxy, which leaves a field alone that the client has sent
	r.Header.Set("Forwarded", "proto=https")
	if behind(r) {
		t.Error("a client has a say beside the proxy")
	}
	r = httptest.NewRequest(http.MethodGet, "/", nil)
	r.TLS = new(tls.ConnectionState)
	if !behind(r) {
		t.Error("TLS to this process does not count")
	}
}
