package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A browser keeps some 180 cookies of a site and its siblings, and drops the oldest of
// those without a priority first. So 200 cookies, which the site itself or a sibling sets
// after the login, take away neither the token nor the copy. Without the priority they do:
// a proxy strips it off here.
func TestAFullJarKeepsTheSession(t *testing.T) {
	site := startMember(t)
	target, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	stripped := httputil.NewSingleHostReverseProxy(target)
	stripped.Transport = site.Client().Transport
	stripped.ModifyResponse = func(answer *http.Response) error {
		for i, line := range answer.Header["Set-Cookie"] {
			answer.Header["Set-Cookie"][i] = strings.Replace(line, "; Priority=High", "", 1)
		}
		return nil
	}
	without := httptest.NewTLSServer(stripped)
	t.Cleanup(without.Close)
	fill := func(attributes string) *httptest.Server {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := range 200 {
				w.Header().Add("Set-Cookie", fmt.Sprintf("f%d=x; Path=/; Secure%s", i, attributes))
			}
			fmt.Fprint(w, "Filled.")
		}))
		t.Cleanup(s.Close)
		return s
	}
	own, sibling := fill(""), fill("; Domain=shop.test")
	at := func(host string, s *httptest.Server) string {
		_, port, err := net.SplitHostPort(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return "https://" + host + ".shop.test:" + port + "/"
	}
	for _, test := range []struct {
		name  string
		site  *httptest.Server
		by    string
		keeps bool
	}{
		{"by the site itself", site.Server, at("www", own), true},
		{"by a sibling", site.Server, at("evil", sibling), true},
		{"by the site itself, without a priority", without, at("www", own), false},
		{"by a sibling, without a priority", without, at("evil", sibling), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := openBrowser(t,
				chromedp.Flag("host-resolver-rules", "MAP *.shop.test 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
			b.open(at("www", test.site) + "?login=ada")
			b.shows("This is ada.")
			b.open(test.by)
			b.shows("Filled.")
			b.open(at("www", test.site))
			if !test.keeps {
				b.shows("This is nobody.")
				return
			}
			b.shows("This is ada.")
			site.store.Fail(http.ErrServerClosed)
			defer site.store.Heal()
			b.open(at("www", test.site))
			b.shows("This is ada.")
			site.wantCopy(t)
		})
	}
}

// wantCopy checks that the last request brought a copy beside what had filled the jar.
func (m *member) wantCopy(t *testing.T) {
	t.Helper()
	line := ""
	for len(m.lines) > 0 {
		line = <-m.lines
	}
	if !strings.Contains(line, "__Host-session-b") || !strings.Contains(line, "; f1") {
		t.Errorf("the browser sent %.300s, want the copy beside what filled the jar", line)
	}
}
