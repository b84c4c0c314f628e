package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

// TestNewRefusesWhatMakesNoSense: a page without a check is not mounted.
func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	m := sessiontest.New(t, nil)
	for name, c := range map[string]struct {
		open func() (*admin.Handler, error)
		said string
	}{
		"no check of who may": {func() (*admin.Handler, error) { return admin.New(m, nil, nil) }, "no check of who may"},
		"no Manager":          {func() (*admin.Handler, error) { return admin.New(nil, operators, nil) }, "no Manager"},
		"an interval of no time": {func() (*admin.Handler, error) {
			return admin.New(m, operators, &admin.Options{Every: -1})
		}, "Every is -1ns"},
		"a host with a port": {func() (*admin.Handler, error) {
			return admin.New(m, operators, &admin.Options{Hosts: []string{"ops.test:80"}})
		}, `Hosts has "ops.test:80"`},
		"any host": {func() (*admin.Handler, error) {
			return admin.New(m, operators, &admin.Options{Hosts: []string{"*"}})
		}, `Hosts has "*"`},
		"a name as long as a book": {func() (*admin.Handler, error) {
			return admin.New(m, operators, &admin.Options{Name: strings.Repeat("x", 101)})
		}, "Name has 101 bytes"},
	} {
		if h, err := c.open(); err == nil || h != nil || !strings.Contains(err.Error(), c.said) {
			t.Errorf("%s: got %v and the error %v, want one of %q", name, h, err, c.said)
		}
	}
}

// routes calls f for each route of a Handler, with its method and path.
func routes(t *testing.T, h *admin.Handler, f func(method, path string)) {
	t.Helper()
	patterns := h.Routes()
	if len(patterns) < 10 {
		t.Fatalf("got the routes %v, want all of them", patterns)
	}
	for _, p := range append(patterns, "GET /nothing", "POST /nothing", "DELETE /api/end", "HEAD /{$}") {
		method, path, _ := strings.Cut(p, " ")
		f(method, strings.TrimSuffix(path, "{$}"))
	}
}

// body is one that each act takes, as far as it is asked at all.
const body = `{"id": "00"}`

func TestEachRouteAsksWhoMay(t *testing.T) {
	m := sessiontest.New(t, nil)
	asked := 0
	h, err := admin.New(m, func(*http.Request) (string, admin.Access) {
		asked++
		return "eve", admin.Denied
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	routes(t, h, func(method, path string) {
		asked = 0
		r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if asked != 1 || w.Code != http.StatusForbidden {
			t.Errorf("%s %s: asked %d times, and got %d, want once and 403", method, path, asked, w.Code)
		}
		if method != http.MethodHead && w.Body.String() != `{"error":"admin: not allowed"}`+"\n" {
			t.Errorf("%s %s: got %q", method, path, w.Body)
		}
	})
}

// An access that the package does not know counts as Denied.
func TestAnUnknownAccessIsDenied(t *testing.T) {
	h, err := admin.New(sessiontest.New(t, nil), func(*http.Request) (string, admin.Access) { return "eve", 7 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/status", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("got %d, want 403", w.Code)
	}
}

func TestEveryAnswerIsProtected(t *testing.T) {
	f := open(t, memory(), admin.Options{})
	for _, who := range []string{"ann", "eve"} {
		routes(t, f.handler, func(method, path string) {
			h := f.request(method, path, body, "Operator", who).Header
			policy := h.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("%s, %s %s: got the policy %q, want %s", who, method, path, policy, want)
				}
			}
			if strings.Contains(policy, "unsafe") {
				t.Errorf("%s %s: got the policy %q", method, path, policy)
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
				"Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s, %s %s: got %s %q, want %q", who, method, path, name, got, want)
				}
			}
		})
	}
}

// A request that another site makes an operator's browser send never reaches the
// application's own check. It changes nothing, and its answer reveals nothing.
func TestAnotherSiteGetsNothing(t *testing.T) {
	m := sessiontest.New(t, nil)
	asked := 0
	h, err := admin.New(m, func(*http.Request) (string, admin.Access) {
		asked++
		return "ann", admin.MayAct
	}, &admin.Options{Hosts: []string{"ops.shop.test"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		is     string
		method string // empty: every
		host   string
		header []string
		want   int
	}{
		{"a form of another site", "POST", "ops.shop.test", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a form of a neighbor", "POST", "ops.shop.test", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a form of another site, of an old browser", "POST", "ops.shop.test", []string{"Origin", "https://evil.test"}, 403},
		{"a form of no site", "POST", "ops.shop.test", []string{"Origin", "null"}, 403},
		{"a read by another site", "GET", "ops.shop.test", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 403},
		{"a read by a neighbor", "GET", "ops.shop.test", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 403},
		{"a read by another site, of an old browser", "GET", "ops.shop.test", []string{"Origin", "https://evil.test"}, 403},
		{"a frame of another site", "GET", "ops.shop.test", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"a name of another site for this address", "", "evil.test", []string{"Sec-Fetch-Site", "same-origin"}, 421},
		{"the same with a port", "", "evil.test:8080", nil, 421},
		{"a name that begins with a good one", "", "ops.shop.test.evil.test", nil, 421},
		{"no name", "", "", nil, 421},
	} {
		routes(t, h, func(method, path string) {
			if c.method != "" && c.method != method {
				return
			}
			asked = 0
			r := httptest.NewRequest(method, "http://ops.shop.test"+path, strings.NewReader(body))
			r.Host = c.host
			r.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.want || asked != 0 {
				t.Errorf("%s, %s %s: got %d, and the application was asked %d times; want %d and not at all", c.is, method, path, w.Code, asked, c.want)
			}
		})
	}
}

func TestWhatIsNoAttackIsServed(t *testing.T) {
	f := open(t, memory(), admin.Options{Hosts: []string{"ops.shop.test"}})
	for _, c := range []struct {
		is, path string
		header   []string
		want     int
	}{
		{"a link on another site's page", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{"a link to what is no page", "/api/status", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		{"an address that was typed", "/api/status", []string{"Sec-Fetch-Site", "none"}, 200},
		{"the page itself", "/api/status", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"the page itself, with its origin", "/api/status", []string{"Host", "ops.shop.test:81", "Origin", "http://ops.shop.test:81"}, 200},
		{"a name of the options, in capitals", "/api/status", []string{"Host", "OPS.shop.test"}, 200},
		{"the same with a dot behind", "/api/status", []string{"Host", "ops.shop.test.:8080"}, 200},
		{"localhost", "/api/status", []string{"Host", "localhost:8080"}, 200},
		{"an address", "/api/status", []string{"Host", "10.0.0.7:8080"}, 200},
		{"an IPv6 address", "/api/status", []string{"Host", "[::1]:8080"}, 200},
		{"an IPv6 address without a port", "/api/status", []string{"Host", "[fd00::1]"}, 200},
	} {
		if got := f.request("GET", c.path, "", append(c.header, "Operator", "ann")...).StatusCode; got != c.want {
			t.Errorf("%s: got %d, want %d", c.is, got, c.want)
		}
	}
}

// An operator who may look may not act, and on a read-only page none may.
func TestWhoMayOnlyLookDoesNotAct(t *testing.T) {
	for name, c := range map[string]struct {
		who      string
		readOnly bool
		said     string
	}{
		"an operator who may look": {"lou", false, "you may look, and not act"},
		"a page that is read-only": {"ann", true, "the page is read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, memory(), admin.Options{ReadOnly: c.readOnly})
			id, v := f.logIn("ada")
			f.client.Authorize = as(c.who)
			if s, err := f.client.Status(t.Context()); err != nil || s.MayAct || s.By != c.who {
				t.Errorf("got %+v, %v, want a status that says that nothing can be done", s, err)
			}
			for _, path := range []string{"/api/end", "/api/end-user", "/api/end-before", "/api/order", "/api/clear-order"} {
				f.log.take()
				answer := f.request("POST", path, `{"id":"`+string(id)+`"}`, "Content-Type", "application/json", "Operator", c.who)
				said, _ := io.ReadAll(answer.Body)
				if answer.StatusCode != http.StatusForbidden || !strings.Contains(string(said), c.said) {
					t.Errorf("%s: got %d and %s, want 403 and %q", path, answer.StatusCode, said, c.said)
				}
				line := f.log.take()
				if !strings.Contains(line, "by="+c.who+" act="+path+" outcome=refused") {
					t.Errorf("%s: the log has %q", path, line)
				}
			}
			if got := note.Or(v.Session(), ""); got != "for all to see" {
				t.Errorf("the session has %q: it was ended", got)
			}
		})
	}
}

func TestABodyThatIsNoActIsRefused(t *testing.T) {
	f := open(t, memory(), admin.Options{})
	_, v := f.logIn("ada")
	for _, c := range []struct {
		is, path, kind, body string
		want                 int
	}{
		{"no type", "/api/end", "", `{"id":"00"}`, 415},
		{"a form's type", "/api/end", "text/plain", `{"id":"00"}`, 415},
		{"no JSON", "/api/end", "application/json", `id`, 400},
		{"JSON and more", "/api/end", "application/json", `{"id":"00"} {}`, 400},
		{"an unknown field", "/api/end", "application/json", `{"session":"00"}`, 400},
		{"another act's field", "/api/end", "application/json", `{"id":"00","user":"ada"}`, 400},
		{"no ID", "/api/end", "application/json", `{}`, 400},
		{"no ID that can be", "/api/end", "application/json", `{"id":"a b"}`, 400},
		{"an ID where a user belongs", "/api/end-user", "application/json", `{"id":"00"}`, 400},
		{"no user", "/api/end-user", "application/json", `{"user":""}`, 400},
		{"a user as long as a book", "/api/end-user", "application/json", `{"user":"` + strings.Repeat("a", 256) + `"}`, 400},
		{"no time", "/api/end-before", "application/json", `{}`, 400},
		{"a time without a zone", "/api/end-before", "application/json", `{"before":"2026-11-01T18:00:00"}`, 400},
		{"a time far ahead", "/api/end-before", "application/json", `{"before":"2099-11-01T18:00:00Z"}`, 400},
		{"a body that does not end", "/api/end", "application/json", `{"id":"` + strings.Repeat("a", 5000) + `"}`, 413},
	} {
		answer := f.request("POST", c.path, c.body, "Content-Type", c.kind, "Operator", "ann")
		var said map[string]string
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || said["error"] == "" || answer.StatusCode != c.want {
			t.Errorf("%s: got %d and %v (%v), want %d and an error", c.is, answer.StatusCode, said, err, c.want)
		}
	}
	if got := note.Or(v.Session(), ""); got != "for all to see" {
		t.Errorf("the session has %q: it was ended", got)
	}
}

func TestThePageIsWhereItIsMounted(t *testing.T) {
	f := open(t, memstore.New(nil), admin.Options{})
	answer := f.request("GET", "?a=b", "", "Operator", "ann")
	if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusMovedPermanently || got != "./admin/" {
		t.Errorf("got %d to %q, want the path with a slash", answer.StatusCode, got)
	}
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/admin.css": "text/css; charset=utf-8", "/admin.js": "text/javascript; charset=utf-8",
	} {
		answer := f.request("GET", path, "", "Operator", "ann")
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != kind || len(text) == 0 {
			t.Errorf("%s: got %d, %s, %d bytes, %v", path, answer.StatusCode, answer.Header.Get("Content-Type"), len(text), err)
		}
	}
	if got := f.request("GET", "/nothing", "", "Operator", "ann").StatusCode; got != http.StatusNotFound {
		t.Errorf("got %d, want 404", got)
	}
	if got := f.request("DELETE", "/api/end", "", "Operator", "ann").StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("got %d, want 405", got)
	}
}
