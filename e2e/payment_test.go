package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// A payment page of another site posts back, and another site has a link. The browser holds
// the Lax cookie back from the one and the Strict cookie from both, and the handler writes:
// the visitor stays logged in all the same.
func TestThePaymentPageThatPostsBackLogsNobodyOut(t *testing.T) {
	for _, test := range []struct {
		name     string
		sameSite http.SameSite
		script   string // of the other site's page
	}{
		{"a POST, Lax", http.SameSiteLaxMode, `document.forms[0].submit()`},
		{"a POST, Strict", http.SameSiteStrictMode, `document.forms[0].submit()`},
		{"a link, Strict", http.SameSiteStrictMode, `document.links[0].click()`},
	} {
		t.Run(test.name, func(t *testing.T) { returnFromAnotherSite(t, test.sameSite, test.script) })
	}
}

func returnFromAnotherSite(t *testing.T, sameSite http.SameSite, script string) {
	sessions, err := session.New(memstore.New(nil), &session.Options{Cookie: session.Cookie{SameSite: sameSite}})
	if err != nil {
		t.Fatal(err)
	}
	paid := session.NewKey[bool]("paid")
	came := make(chan bool, 1) // whether the request brought a cookie
	mux := http.NewServeMux()
	mux.HandleFunc("/paid", func(_ http.ResponseWriter, r *http.Request) {
		_, err := r.Cookie("__Host-session")
		came <- err == nil
		s, _ := session.From(r.Context())
		paid.Set(s, true)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if name := r.FormValue("login"); name != "" {
			s.Renew()
			who.Set(s, name)
		}
		fmt.Fprintf(w, "This is %s.", who.Or(s, "nobody"))
	})
	shop := httptest.NewTLSServer(sessions.Handler(mux))
	t.Cleanup(shop.Close)
	_, port, err := net.SplitHostPort(shop.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	site := "https://www.shop.test:" + port
	bank := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%[1]s/paid"></form><a href="%[1]s/paid">Paid.</a><script>%[2]s</script>`, site, script)
	}))
	t.Cleanup(bank.Close)
	_, bankPort, err := net.SplitHostPort(bank.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}

	b := openBrowser(t, chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP *.shop.test 127.0.0.1, MAP *.bank.test 127.0.0.1"))
	b.open(site + "/?login=ada")
	b.shows("This is ada.")
	b.open("https://www.bank.test:" + bankPort + "/")
	b.shows("session required")
	if <-came {
		t.Fatal("the browser sent the cookie: the test shows nothing")
	}
	b.open(site + "/")
	b.shows("This is ada.")
}
