package urltoken_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
	"github.com/holdfast-go/session/urltoken"
)

var cart = session.NewKey[int]("cart")

var page = template.Must(template.New("page").Parse(`{{.Count}} of {{.User}}
<a href="{{.Links.To "/cart?sort=price&up=1#top"}}">cart</a>
<a href="{{.Links.To "//evil.test/"}}">partner</a>
<form method="post" action="{{.Links.To "/add"}}"></form>
<form action="/cart">{{with .Links.Param}}<input name="{{.}}" value="{{$.Links.Value}}">{{end}}</form>
`))

// site is a shop, and what its tests need of it.
type site struct {
	t     *testing.T
	store *storetest.Faulty
	m     *session.Manager
	h     http.Handler
	log   *bytes.Buffer // of the middleware around it, and of the Manager
}

var testKeys = func() *seal.Keys {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		panic(err)
	}
	return keys
}()

func newSite(t *testing.T, adjust ...func(*session.Options)) *site {
	t.Helper()
	s := &site{t: t, store: storetest.NewFaulty(memstore.New(nil)), log: new(bytes.Buffer)}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	o := &session.Options{
		InsecureURLToken: &urltoken.Options{Keys: testKeys, Audience: "shop-test"},
		ReadTimeout:      10 * time.Second, SaveTimeout: 10 * time.Second,
		Hooks: session.LogHooks(logger),
	}
	for _, adjust := range adjust {
		adjust(o)
	}
	var err error
	if s.m, err = session.New(s.store, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.m.Close(context.Background()) })
	mux := http.NewServeMux()
	show := func(w http.ResponseWriter, r *http.Request) {
		v, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if r.URL.Path == "/begin" {
			cart.Update(v, func(n *int) error { *n++; return nil })
		}
		logger.Info("page", "request", r.URL.String(), "uri", r.RequestURI, "header", r.Header, "form", r.FormValue("session"), "ctx", fmt.Sprint(r.Context()))
		data := struct {
			Count int
			User  string
			Links urltoken.Links
		}{cart.Or(v, 0), v.User(), urltoken.In(r.Context())}
		if err := page.Execute(w, data); err != nil {
			logger.Error("page", "error", err)
		}
	}
	mux.HandleFunc("GET /{$}", show)
	mux.HandleFunc("GET /cart", show)
	mux.HandleFunc("GET /begin", show)
	mux.HandleFunc("POST /add", func(w http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		cart.Update(v, func(n *int) error { *n++; return nil })
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		v.SetUser("ada")
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		if _, err := v.Destroy(r.Context()); err != nil {
			session.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("CDN-Cache-Control", "max-age=3600")
		w.Header().Set("Referrer-Policy", "unsafe-url")
		_, _ = io.WriteString(w, "body {}")
	})
	mux.HandleFunc("GET /strict", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Referrer-Policy", "no-referrer") })
	mux.HandleFunc("GET /silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusSeeOther)
	})
	inner := s.m.Handler(mux)
	s.h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		logger.Info("request", "url", r.URL.String(), "uri", r.RequestURI, "pattern", r.Pattern)
	})
	return s
}

// device is a client. Without a jar it keeps no cookies.
type device struct {
	s      *site
	agent  string
	header http.Header // more of each request
	jar    map[string]string
	scheme string
	at     string // the page it has, as the last answer's URL
	body   string
	last   *http.Response
	seen   []string // what answers had in the parameter
}

const agent = "EmbeddedBrowser/1.0"

func (s *site) device() *device {
	return &device{s: s, agent: agent, header: http.Header{}, scheme: "https"}
}

// send sends one request, and follows nothing.
func (d *device) send(method, to string) *http.Response {
	d.s.t.Helper()
	r := httptest.NewRequest(method, d.scheme+"://shop.test"+to, nil)
	r.RequestURI = to
	for name, lines := range d.header {
		r.Header[name] = lines
	}
	if d.agent != "" {
		r.Header.Set("User-Agent", d.agent)
	}
	for name, value := range d.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	d.s.h.ServeHTTP(w, r)
	d.last, d.body = w.Result(), w.Body.String()
	d.at = to
	for _, c := range d.last.Cookies() {
		if strings.Contains(c.Name, "-b") && c.MaxAge >= 0 && strings.Contains(to, "session=") {
			d.s.t.Errorf("%s %s: a copy of the session was sent", method, to)
		}
		switch {
		case d.jar == nil:
		case c.MaxAge < 0:
			delete(d.jar, c.Name)
		default:
			d.jar[c.Name] = c.Value
		}
	}
	if got := d.last.Header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
		d.s.t.Errorf("%s %s: got Referrer-Policy %q", method, to, got)
	}
	for _, text := range append(textIn.FindAllString(d.body, -1), textIn.FindAllString(d.last.Header.Get("Location"), -1)...) {
		d.seen = append(d.seen, text[len("session="):])
		if got := d.last.Header.Get("Cache-Control"); got != "no-store" {
			d.s.t.Errorf("%s %s: got Cache-Control %q beside a token", method, to, got)
		}
	}
	return d.last
}

var textIn = regexp.MustCompile(`session=[A-Za-z0-9_-]{20,}`)

// follow is send, and follows redirections.
func (d *device) follow(method, to string) {
	d.s.t.Helper()
	for range 5 {
		answer := d.send(method, to)
		if answer.StatusCode != http.StatusSeeOther {
			return
		}
		method, to = http.MethodGet, answer.Header.Get("Location")
	}
	d.s.t.Errorf("too many redirections, the last to %s", to)
}

// link returns where the page's link to a path leads, as a browser reads it.
func (d *device) link(path string) string {
	d.s.t.Helper()
	m := regexp.MustCompile(`(?:href|action)="(` + regexp.QuoteMeta(path) + `[^"]*)"`).FindStringSubmatch(d.body)
	if m == nil {
		d.s.t.Fatalf("no link to %s in %q", path, d.body)
	}
	to, _, _ := strings.Cut(strings.ReplaceAll(m[1], "&amp;", "&"), "#")
	return to
}

func (d *device) shows(want string) {
	d.s.t.Helper()
	if got, _, _ := strings.Cut(d.body, "\n"); got != want {
		d.s.t.Errorf("%s: got %q, %d, want %q", d.at, got, d.last.StatusCode, want)
	}
}

func TestADeviceWithoutCookiesShops(t *testing.T) {
	for name, from := range map[string]string{"that says nothing of where it was": "", "of today": "same-origin"} {
		t.Run("a browser "+name, func(t *testing.T) {
			s := newSite(t)
			d := s.device()
			if from != "" {
				d.header.Set("Sec-Fetch-Site", from)
			}
			d.follow("GET", "/begin")
			d.shows("1 of ")
			d.follow("GET", d.link("/cart"))
			d.shows("1 of ")
			if !strings.HasPrefix(d.at, "/cart?sort=price&up=1&session=") {
				t.Errorf("the link lost its query: %s", d.at)
			}
			d.follow("POST", d.link("/add"))
			d.shows("2 of ")
			before := d.link("/cart")
			d.follow("POST", strings.Replace(d.link("/add"), "/add", "/login", 1))
			d.shows("2 of ada")
			after := d.link("/cart")
			d.follow("GET", before)
			d.shows("0 of ")
			if strings.Contains(d.body, "session=") {
				t.Error("the page after it has a token, and there is no session")
			}
			d.follow("GET", after)
			d.shows("2 of ada")
			field := regexp.MustCompile(`<input name="session" value="([A-Za-z0-9_-]+)">`).FindStringSubmatch(d.body)
			if field == nil {
				t.Fatalf("no field in %q", d.body)
			}
			d.follow("GET", "/cart?session="+field[1])
			d.shows("2 of ada")
			d.follow("POST", strings.Replace(d.link("/add"), "/add", "/logout", 1))
			d.shows("0 of ")
			d.follow("GET", after)
			d.shows("0 of ")
			if len(d.seen) < 10 || !strings.Contains(s.log.String(), "session login") {
				t.Fatalf("%d tokens seen, and the log is\n%s", len(d.seen), s.log)
			}
			for _, text := range d.seen {
				if strings.Contains(s.log.String(), text) {
					t.Errorf("a token is in a log:\n%s", s.log)
				}
			}
			if !strings.Contains(s.log.String(), `pattern="GET /cart"`) {
				t.Errorf("a middleware further out does not see the pattern:\n%s", s.log)
			}
		})
	}
}

func TestNobodyIsGivenASessionByLinks(t *testing.T) {
	s := newSite(t)
	d := s.device()
	d.follow("GET", "/")
	if strings.Contains(d.body, "session=") || s.store.Saves() != 0 || d.last.Header.Get("Cache-Control") == "no-store" {
		t.Errorf("an anonymous visitor: got %d saves, %v and %q", s.store.Saves(), d.last.Header, d.body)
	}
	d.follow("GET", "/begin")
	if got := s.store.Saves(); got != 1 {
		t.Errorf("a page that begins a session and has links: got %d saves, want 1", got)
	}
	d.follow("GET", strings.Replace(d.link("/cart"), "/cart", "/style.css", 1))
	if got := s.store.Loads(); got != 0 {
		t.Errorf("a page that asks for no session: got %d loads, want none", got)
	}
}

func TestABrowserThatKeepsCookiesIsRedirectedAway(t *testing.T) {
	s := newSite(t)
	d := s.device()
	d.jar = map[string]string{}
	d.follow("GET", "/begin")
	cart, add := d.link("/cart"), d.link("/add")
	if answer := d.send("GET", cart); answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/cart?sort=price&up=1" ||
		answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d to %q, %v", answer.StatusCode, answer.Header.Get("Location"), answer.Header)
	}
	d.follow("GET", cart)
	d.shows("1 of ")
	if strings.Contains(d.body, "session=") {
		t.Errorf("its links have a token: %s", d.body)
	}
	d.follow("POST", add)
	d.shows("2 of ")
	if d.at != "/cart" {
		t.Errorf("a POST leads to %s", d.at)
	}
	other := s.device()
	other.follow("GET", "/begin")
	d.follow("GET", other.link("/cart"))
	d.shows("2 of ") // the cookie's session, not the link's
	if answer := d.send("HEAD", cart); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("HEAD: got %d", answer.StatusCode)
	}
}

// Each row is a request with a link of a visitor's that must not open the session.
func TestALinkThatMustNotCount(t *testing.T) {
	otherKeys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*device)
		text   func(text string) string
		wait   time.Duration
	}{
		{name: "another browser", change: func(d *device) { d.agent = "Mozilla/5.0" }},
		{name: "a client without a name", change: func(d *device) { d.agent = "" }},
		{name: "another site's page", change: func(d *device) { d.header.Set("Sec-Fetch-Site", "cross-site") }},
		{name: "a sibling's page", change: func(d *device) { d.header.Set("Sec-Fetch-Site", "same-site") }},
		{name: "a mail, or the address bar", change: func(d *device) { d.header.Set("Sec-Fetch-Site", "none") }},
		{name: "plain http", change: func(d *device) { d.scheme = "http" }},
		{name: "plain http in front of a proxy", change: func(d *device) {
			d.scheme = "http"
			d.header.Set("X-Forwarded-For", "192.0.2.1")
			d.header.Set("X-Forwarded-Proto", "http")
		}},
		{name: "after its time", wait: 12 * time.Minute},
		{name: "a character is another", text: func(s string) string { return s[:100] + flip(s[100]) + s[101:] }},
		{name: "cut short", text: func(s string) string { return s[:len(s)-4] }},
		{name: "empty", text: func(string) string { return "" }},
		{name: "long", text: func(s string) string { return strings.Repeat(s, 100) }},
		{name: "sealed with other keys", text: func(string) string { return sealed(t, otherKeys, "shop-test", agent) }},
		{name: "sealed for another application", text: func(string) string { return sealed(t, testKeys, "shop-staging", agent) }},
		{name: "sealed for another use", text: func(string) string {
			text, _ := (&seal.Box{Keys: testKeys, Audience: "shop-test", Purpose: "session copies"}).Seal(time.Now(), []byte(token))
			return text
		}},
		{name: "a token as it is", text: func(string) string { return token }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				visitor := s.device()
				visitor.follow("GET", "/begin")
				text := strings.TrimPrefix(textIn.FindString(visitor.body), "session=")
				if test.text != nil {
					text = test.text(text)
				}
				time.Sleep(test.wait)
				thief := s.device()
				if test.change != nil {
					test.change(thief)
				}
				answer := thief.send("GET", "/cart?a=1&session="+text+"&b=2")
				if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/cart?a=1&b=2" {
					t.Errorf("got %d to %q, want the URL without the token", answer.StatusCode, answer.Header.Get("Location"))
				}
				thief.follow("GET", "/cart?session="+text)
				thief.shows("0 of ")
				thief.follow("POST", "/add?session="+text)
				visitor.follow("GET", visitor.link("/cart"))
				if test.wait == 0 {
					visitor.shows("1 of ")
				}
				if got := s.log.String(); strings.Contains(got, "session=") || text != "" && strings.Contains(got, text) {
					t.Errorf("the token is in a log:\n%s", got)
				}
			})
		})
	}
	t.Run("within its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newSite(t).device()
			time.Sleep(59 * time.Second) // the text has the minute before
			d.follow("GET", "/begin")
			for range 5 { // each page's links are good for as long again
				time.Sleep(9*time.Minute + 59*time.Second)
				d.follow("GET", d.link("/cart"))
				d.shows("1 of ")
			}
		})
	})
}

const token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// sealed returns the text of a link as another program with these keys makes it.
func sealed(t *testing.T, keys *seal.Keys, audience, agent string) string {
	t.Helper()
	s := newSite(t, func(o *session.Options) { o.InsecureURLToken.Keys, o.InsecureURLToken.Audience = keys, audience })
	d := s.device()
	d.agent = agent
	d.follow("GET", "/begin")
	return strings.TrimPrefix(textIn.FindString(d.body), "session=")
}

// An attacker plants a session of their own, before the visitor logs in.
func TestALoginLeavesThePlantedSession(t *testing.T) {
	s := newSite(t)
	attacker := s.device()
	attacker.follow("GET", "/begin")
	planted := attacker.link("/add")
	victim := s.device() // of before 2023, and of the same name
	victim.follow("POST", planted)
	victim.shows("2 of ")
	victim.follow("POST", strings.Replace(victim.link("/add"), "/add", "/login", 1))
	victim.shows("2 of ada")
	attacker.follow("GET", strings.Replace(planted, "/add", "/cart", 1))
	attacker.shows("0 of ")

	today := s.device()
	today.header.Set("Sec-Fetch-Site", "none")
	attacker.follow("GET", "/begin")
	today.follow("GET", attacker.link("/cart"))
	today.shows("0 of ")
}

// A browser of before 2023 is asked where it was, once another has shown what the site is
// called.
func TestAnOldBrowsersRefererCounts(t *testing.T) {
	s := newSite(t, func(o *session.Options) { o.Cookie.SameSite = http.SameSiteLaxMode })
	modern := s.device()
	modern.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://shop.test"}}
	modern.follow("POST", "/add")
	old := s.device()
	old.follow("GET", "/begin")
	cart := old.link("/cart")
	for from, want := range map[string]string{
		"https://shop.test/begin?session=x": "1 of ", "https://evil.test/": "0 of ", "https://evil.test": "0 of ", "": "1 of ",
	} {
		old.header = http.Header{}
		if from != "" {
			old.header.Set("Referer", from)
		}
		old.follow("GET", cart)
		old.shows(want)
	}
}

func TestLinksThatMayLeadAway(t *testing.T) {
	s := newSite(t, func(o *session.Options) { o.Cookie.Path = "/shop" })
	links := []string{
		"https://evil.test/", "https://shop.test/shop/", "//evil.test/shop", "///evil.test/shop", `/\evil.test`, `\\evil.test`, `\/evil.test`,
		"/\t/evil.test", "\t//evil.test", " //evil.test", "/\n/evil.test", "https:evil.test", "https:/evil.test", "javascript:alert(1)",
		"mailto:a@evil.test", "/other", "/shopping", "/shop/../other", "/shop/%2e%2e/other", "", "#top", "http://[::1", "/shop/\x7f",
		"../other", "../../other", "../shopping", "a/../../other", "%2e%2e/other", ".%2e/%2e./other", "..//evil.test/", "..",
	}
	ours := []string{"/shop", "/shop/", "/shop/cart?a=b", "cart", "?page=2", "../shop/x", "cart#top", "/shop?session=old", ".", "a/../b"}
	h := s.m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		cart.Set(v, 1)
		for _, to := range links {
			if got := urltoken.Link(r.Context(), to); got != to {
				t.Errorf("%q: got %q", to, got)
			}
		}
		for _, to := range ours {
			got := urltoken.Link(r.Context(), to)
			u, err := url.Parse(got)
			if err != nil || len(u.Query()["session"]) != 1 || len(u.Query().Get("session")) < 100 {
				t.Errorf("%q: got %q, want one token", to, got)
				continue
			}
			q := u.Query()
			q.Del("session")
			before, _ := url.Parse(to)
			kept := before.Query()
			kept.Del("session")
			if u.Path != before.Path || u.Fragment != before.Fragment || q.Encode() != kept.Encode() {
				t.Errorf("%q: got %q", to, got)
			}
		}
	})
	r := httptest.NewRequest(http.MethodGet, "/shop/", nil)
	r.TLS = new(tls.ConnectionState)
	h.ServeHTTP(httptest.NewRecorder(), r)

	// Where a relative reference leads depends on the page.
	for _, test := range []struct {
		page, to string
		want     bool
	}{
		{"/shop", "cart", false}, {"/shop", "shop/cart", true}, {"/shop", "?page=2", true}, {"/shop/a/b", "../cart", true}, {"/shop/a/b", "../../cart", false},
		{"/cart", "add", true}, {"/cart", "../add", false}, // a proxy in front has taken /shop off
	} {
		h := s.m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v, _ := session.From(r.Context())
			cart.Set(v, 1)
			if got := urltoken.Link(r.Context(), test.to) != test.to; got != test.want {
				t.Errorf("%s on %s: has a token: %v, want %v", test.to, test.page, got, test.want)
			}
			w.Header().Set("Location", test.to)
			w.WriteHeader(http.StatusCreated)
		})
		r := httptest.NewRequest(http.MethodGet, test.page, nil)
		r.TLS = new(tls.ConnectionState)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.Contains(w.Header().Get("Location"), "session="); got != test.want {
			t.Errorf("a Location %s on %s: has a token: %v, want %v", test.to, test.page, got, test.want)
		}
	}

	// Redirections alike.
	s = newSite(t)
	d := s.device()
	d.follow("GET", "/begin")
	text := strings.TrimPrefix(textIn.FindString(d.body), "session=")
	for to, want := range map[string]bool{
		"https://evil.test/": false, "//evil.test/": false, `/\evil.test/`: false, "https://shop.test/cart": false, "/cart": true,
	} {
		got := d.send("GET", "/away?to="+url.QueryEscape(to)+"&session="+text).Header.Get("Location")
		if strings.Contains(got, "session=") != want {
			t.Errorf("a redirection to %s: got %s", to, got)
		}
	}
	// The redirection away from a token leads nowhere else.
	for _, uri := range []string{"//evil.test/?session=x", `/\evil.test/?session=x`, "//evil.test?session=x", "/%5cevil.test/?session=x", "/%2f/evil.test/?session=x"} {
		to, err := url.Parse(d.send("GET", uri).Header.Get("Location"))
		if err != nil || to.Host != "" || strings.HasPrefix(to.String(), `/\`) || strings.Contains(to.String(), "session") {
			t.Errorf("%s: got a redirection to %s", uri, to)
		}
	}
}

func TestWhatAnAnswerSays(t *testing.T) {
	s := newSite(t)
	d := s.device()
	d.follow("GET", "/begin")
	text := strings.TrimPrefix(textIn.FindString(d.body), "session=")
	for _, path := range []string{"/style.css", "/strict", "/silent", "/nothing-there", "/cart"} {
		h := d.send("GET", path+"?session="+text).Header
		if got := h["Cache-Control"]; len(got) != 1 || got[0] != "no-store" || h.Get("CDN-Cache-Control") != "" {
			t.Errorf("%s with a token: got %q, %v", path, got, h)
		}
		want := "same-origin"
		if path == "/strict" {
			want = "no-referrer"
		}
		if got := d.send("GET", path).Header["Referrer-Policy"]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got Referrer-Policy %q, want %q", path, got, want)
		}
	}
	if got := d.send("GET", "/style.css").Header.Get("Cache-Control"); got != "public, max-age=3600" {
		t.Errorf("without a token: got Cache-Control %q, want the handler's", got)
	}
	d.follow("GET", "/begin")
	ended := strings.TrimPrefix(textIn.FindString(d.body), "session=")
	d.follow("POST", "/logout?session="+ended)
	if got := d.send("GET", "/cart?session="+ended).Header["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("with the token of a session that has ended: got %q", got)
	}
	s.store.Fail(errors.New("down"))
	if h := d.send("GET", "/cart?session="+text); h.StatusCode != http.StatusServiceUnavailable || h.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("in an outage: got %d, %v", h.StatusCode, h.Header)
	}
}

// A browser follows the last line of several, however the handler has written the name.
func TestAPolicyInSmallLetters(t *testing.T) {
	s := newSite(t)
	d := s.device()
	s.h = s.m.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["referrer-policy"] = []string{"unsafe-url"}
	})
	for name, lines := range d.send("GET", "/").Header {
		if strings.EqualFold(name, "Referrer-Policy") && (len(lines) != 1 || lines[0] != "same-origin") {
			t.Errorf("got %s: %q", name, lines)
		}
	}
}

// wantUnkept asks that no other site and no cache learns of the token in an answer.
func wantUnkept(t *testing.T, answer *http.Response) {
	t.Helper()
	if got := answer.Header.Get("Referrer-Policy"); got != "same-origin" {
		t.Errorf("got Referrer-Policy %q", got)
	}
	if got := answer.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q", got)
	}
}

// unsafe is what a handler may say that knows of no token.
func unsafe(w http.ResponseWriter) {
	w.Header().Set("Referrer-Policy", "unsafe-url")
	w.Header().Set("Cache-Control", "public, max-age=60")
}

func TestAnAnswerToAPanic(t *testing.T) {
	s := newSite(t)
	inner := s.m.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		unsafe(w)
		panic("a defect")
	})
	s.h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { http.Error(w, fmt.Sprint(recover()), http.StatusInternalServerError) }()
		inner.ServeHTTP(w, r)
	})
	answer := s.device().send("POST", "/?session=x")
	if answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("got %d", answer.StatusCode)
	}
	wantUnkept(t, answer)
}

// echo's error handler answers when the Manager's Handler has returned.
func TestMiddlewareFurtherOutAnswers(t *testing.T) {
	for name, do := range map[string]func(http.ResponseWriter, *http.Request){
		"with a redirection": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/cart", http.StatusSeeOther) },
		"with a page": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, urltoken.Link(r.Context(), "/cart"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.m.HandlerFunc(func(inner http.ResponseWriter, below *http.Request) { w, r = inner, below }).ServeHTTP(w, r)
				v, _ := session.From(r.Context())
				cart.Set(v, 1)
				unsafe(w)
				do(w, r)
			})
			d := s.device()
			answer := d.send("GET", "/")
			if len(d.seen) == 0 {
				t.Errorf("no token in %v, %q", answer.Header, d.body)
			}
			wantUnkept(t, answer)
		})
	}
}

// No copy of the session travels, so none is written to in the store's place.
func TestAnOutageIsNotBridgedByACopyThatDoesNotTravel(t *testing.T) {
	s := newSite(t, func(o *session.Options) { o.Backup = &session.Backup{Keys: testKeys, Audience: "shop-test"} })
	d := s.device()
	d.header.Set("Sec-Fetch-Site", "same-origin")
	d.follow("GET", "/begin")
	d.follow("GET", d.link("/cart"))
	cart, add := d.link("/cart"), d.link("/add")
	s.store.Before(func(op string, id session.ID) error {
		if op == "save" && !strings.Contains(string(id), "-") {
			return errors.New("down")
		}
		return nil
	})
	if got := d.send("POST", add).StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("a write while nothing is saved: got %d, want 503", got)
	}
	s.store.Before(nil)
	d.follow("GET", cart)
	d.shows("1 of ")
	d.follow("POST", add)
	d.shows("2 of ")
}

// Link ignores that a session cannot be saved: the answer does not.
func TestASaveThatFailsIsAnswered(t *testing.T) {
	s := newSite(t)
	s.store.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errors.New("down")
		}
		return nil
	})
	d := s.device()
	if got := d.send("GET", "/begin").StatusCode; got != http.StatusServiceUnavailable || strings.Contains(d.body, "session=") {
		t.Errorf("got %d, %q", got, d.body)
	}
}

func TestOnlyTheChosenGetTokens(t *testing.T) {
	s := newSite(t, func(o *session.Options) {
		o.InsecureURLToken.Only = func(r *http.Request) bool { return strings.Contains(r.UserAgent(), "Embedded") }
	})
	d := s.device()
	d.follow("GET", "/begin")
	cart := d.link("/cart")
	d.follow("GET", cart)
	d.shows("1 of ")
	other := s.device()
	other.agent = "Crawler"
	other.follow("GET", "/begin")
	if strings.Contains(other.body, "session=") {
		t.Errorf("got %q", other.body)
	}
}

func TestLinksOfOneRequestAreSafeForMany(t *testing.T) {
	s := newSite(t)
	h := s.m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		cart.Set(v, 1)
		var wg sync.WaitGroup
		links := make([]string, 10)
		for i := range links {
			wg.Go(func() { links[i] = urltoken.Link(r.Context(), "/cart") })
		}
		_, _ = io.WriteString(w, "x")
		http.NewResponseController(w).Flush()
		wg.Wait()
		after := urltoken.Link(r.Context(), "/cart")
		for _, link := range links {
			if link != after && link != "/cart" {
				t.Errorf("got %q, want %q", link, after)
			}
		}
		if after == "/cart" {
			t.Error("the session's links have no token")
		}
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://shop.test/", nil))
	if got := urltoken.Link(t.Context(), "/cart"); got != "/cart" {
		t.Errorf("without a request: got %q", got)
	}
	if (urltoken.Links{}).To("/cart") != "/cart" || (urltoken.Links{}).Param() != "" {
		t.Error("the zero Links changes something")
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	good := urltoken.Options{Keys: testKeys, Audience: "shop-test"}
	for _, test := range []struct {
		name string
		set  func(*session.Options, *urltoken.Options)
		want string
	}{
		{"no keys", func(_ *session.Options, u *urltoken.Options) { u.Keys = nil }, "InsecureURLToken.Keys is nil"},
		{"no audience", func(_ *session.Options, u *urltoken.Options) { u.Audience = "" }, "InsecureURLToken.Audience is empty"},
		{"a name that needs escapes", func(_ *session.Options, u *urltoken.Options) { u.Param = "a&b" }, `InsecureURLToken.Param "a&b"`},
		{"longer than sessions", func(_ *session.Options, u *urltoken.Options) { u.Idle = time.Hour }, "InsecureURLToken.Idle 1h0m0s"},
		{"seconds", func(_ *session.Options, u *urltoken.Options) { u.Idle = time.Second }, "InsecureURLToken.Idle 1s"},
		{"a header", func(o *session.Options, _ *urltoken.Options) { o.Header = "X-Session" }, "neither with Options.Header"},
		{"a cookie by request", func(o *session.Options, _ *urltoken.Options) {
			o.Cookie.Secure = func(*http.Request) bool { return true }
		}, "nor with Cookie.Secure"},
	} {
		o, u := session.Options{}, good
		o.InsecureURLToken = &u
		test.set(&o, &u)
		if _, err := session.New(memstore.New(nil), &o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
		if o.InsecureURLToken != &u {
			t.Errorf("%s: New has changed the caller's options", test.name)
		}
	}
}
