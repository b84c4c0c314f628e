package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/certificate"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

// One process serves an nginx that ends TLS, and plain http beside it. A browser that comes
// both ways, to one host, has two sessions, and its Secure cookies leave it over TLS alone.
func TestNginxEndsTLSForSomeVisitors(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Cookie: session.Cookie{Secure: session.TLSBehind(netip.MustParsePrefix("127.0.0.0/8"))},
		Backup: &session.Backup{Keys: keys, Audience: "e2e"},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := session.NewKey[string]("name")
	site := httptest.NewServer(sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/login":
			s.SetUser(r.URL.Query().Get("as"))
			name.Set(s, r.URL.Query().Get("as"))
		case "/logout":
			if _, err := s.Destroy(r.Context()); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, name.Or(s, "nobody"))
	}))
	t.Cleanup(site.Close)
	cert, key, roots := certificate.SelfSigned(t, openDir(t))
	front := startProxy(t, nginxOn("ssl", fmt.Sprintf(
		"ssl_certificate %s; ssl_certificate_key %s; proxy_set_header X-Forwarded-Proto $scheme;", cert, key)), site.URL)
	// Browsers take http to this machine for as good as TLS, and so does cookiejar.
	front = strings.Replace(front, "http://127.0.0.1", "https://shop.test", 1)
	plain := strings.Replace(site.URL, "127.0.0.1", "shop.test", 1)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(address, "shop.test", "127.0.0.1", 1))
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport}
	get := func(base, path, want string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-Proto", "http") // nginx replaces what a client says
		if base == plain {
			r.Header.Del("X-Forwarded-Proto")
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if got := string(body); err != nil || got != want {
			t.Errorf("%s%s: %q %v, want %q", base, path, got, err, want)
		}
	}
	sent := func(base string) (names []string) {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range jar.Cookies(u) {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		return names
	}
	get(front, "/login?as=ann", "ann")
	if got := sent(plain); got != nil {
		t.Errorf("over plain http the browser sends %v of TLS", got)
	}
	get(plain, "/", "nobody")
	get(plain, "/login?as=bob", "bob")
	get(front, "/", "ann")
	get(plain, "/", "bob")
	if got := sent(plain); !slices.Equal(got, []string{"session", "session-b0"}) {
		t.Errorf("over plain http the browser sends %v", got)
	}
	get(front, "/logout", "nobody")
	get(front, "/", "nobody")
	get(plain, "/", "bob")
}
