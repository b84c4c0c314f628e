package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

var who = session.NewKey[string]("who")

// member is a site whose pages say whose session they see.
type member struct {
	*httptest.Server
	store *storetest.Faulty
	lines chan string // the Cookie lines that came
}

func startMember(t *testing.T) *member {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m := &member{store: storetest.NewFaulty(memstore.New(nil)), lines: make(chan string, 1000)}
	sessions, err := session.New(m.store, &session.Options{Backup: &session.Backup{Keys: keys, Audience: "e2e"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sessions.Close(t.Context()) })
	m.Server = httptest.NewTLSServer(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if name := r.FormValue("login"); name != "" {
			s.Renew()
			who.Set(s, name)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		select {
		case m.lines <- strings.Join(r.Header["Cookie"], "; "):
		default:
		}
		fmt.Fprintf(w, "This is %s.", who.Or(s, "nobody"))
	})))
	t.Cleanup(m.Close)
	return m
}

// cookies are those of a new session of the name.
func (m *member) cookies(t *testing.T, name string) []*http.Cookie {
	t.Helper()
	answer, err := m.Client().Get(m.URL + "/?login=" + name)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if len(answer.Cookies()) < 2 {
		t.Fatalf("a login sets %d cookies, want a token and a copy", len(answer.Cookies()))
	}
	return answer.Cookies()
}

// A sibling host sets cookies whose names begin with a blank of Unicode and go
// on as those of the site do. The browser takes them from anywhere, since they
// have no prefix, and sends them to the site: which does not take them for its
// own, be they the token or the copy, with the store there and without it.
func TestWhatASiblingHostPlantsIsNotBelieved(t *testing.T) {
	site := startMember(t)
	_, port, err := net.SplitHostPort(site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var plant []string // Set-Cookie lines
	sibling := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = plant
		fmt.Fprint(w, "Planted.")
	}))
	t.Cleanup(sibling.Close)
	_, siblingPort, err := net.SplitHostPort(sibling.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	victim, evil := "https://www.shop.test:"+port+"/", "http://evil.shop.test:"+siblingPort+"/"

	b := openBrowser(t,
		chromedp.Flag("host-resolver-rules", "MAP *.shop.test 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
	planted := site.cookies(t, "mallory")
	for _, blank := range []string{"\u2000", "\u00a0", "\u0085", "\u3000", "\u2028", "\ufeff"} {
		for _, c := range planted {
			plant = append(plant, fmt.Sprintf("%s%s=%s; Domain=shop.test; Path=/", blank, c.Name, c.Value))
		}
	}
	// The browser refuses this cookie from a sibling. It is here so that the attacker of the
	// test is no weaker than a real one.
	plant = append(plant, fmt.Sprintf("%s=%s; Domain=shop.test; Path=/", planted[0].Name, planted[0].Value))

	b.open(evil)
	b.shows("Planted.")
	b.open(victim)
	b.shows("This is nobody.")
	site.wantPlanted(t, planted, true)
	b.open(victim + "?login=ada")
	b.shows("This is ada.")
	b.open(evil) // once more, over the cookies of a session
	b.shows("Planted.")
	b.open(victim)
	b.shows("This is ada.")
	site.wantPlanted(t, planted, false)

	// The store is away: the copies count, and not the planted ones.
	site.store.Fail(http.ErrServerClosed)
	b.open(victim)
	b.shows("This is ada.")
	site.store.Heal()

	// The names as they are would be believed, or the test would show nothing.
	for _, c := range planted {
		if c.Name == "__Host-session" {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			timeleft.Poll(t, "the attacker's own cookie shows whose it is", func() bool { // a store that was away is asked later
				answer, err := site.Client().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				text, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Fatal(err)
				}
				if answer.StatusCode == http.StatusOK && string(text) != "This is mallory." {
					t.Fatalf("the attacker's own cookie shows %q", text)
				}
				return answer.StatusCode == http.StatusOK
			})
		}
	}
}

// wantPlanted waits for a request that brings the planted cookies, and nothing
// of the planted values under a name of the site's own.
func (m *member) wantPlanted(t *testing.T, planted []*http.Cookie, alone bool) {
	t.Helper()
	timeout := time.After(timeleft.Within(t, patience))
	for {
		select {
		case line := <-m.lines:
			if !strings.Contains(line, "\u2000__Host-session="+tokenOf(planted)) {
				continue
			}
			if !strings.Contains(line, "\u2000__Host-session-b") {
				t.Errorf("the browser did not send the planted copy: %q", line)
			}
			for pair := range strings.SplitSeq(line, "; ") {
				if alone && strings.HasPrefix(pair, "__Host-") {
					t.Errorf("the browser took %q from a sibling", pair)
				}
			}
			return
		case <-timeout:
			t.Fatal("the browser did not send the planted cookies: the test shows nothing")
		}
	}
}

func tokenOf(cookies []*http.Cookie) string {
	for _, c := range cookies {
		if c.Name == "__Host-session" {
			return c.Value
		}
	}
	return ""
}
