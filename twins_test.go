package session_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

// browser visits applications over https, and keeps cookies as browsers do: also two of
// one name, of which it sends the older one first.
type browser struct{ jar *cookiejar.Jar }

func newBrowser(t *testing.T) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{jar}
}

func (b browser) open(h http.Handler, host, path string) (status int, page string) {
	u := &url.URL{Scheme: "https", Host: host, Path: path}
	r := httptest.NewRequest(http.MethodGet, u.String(), nil)
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	b.jar.SetCookies(u, rec.Result().Cookies())
	text, _ := io.ReadAll(rec.Result().Body)
	return rec.Code, string(text)
}

// application is one with pages to log in, log out, and say whose session it is.
func application(t *testing.T, store session.Store, o session.Options) http.Handler {
	m := mustNew(t, store, &o)
	if o.Backup != nil {
		time.Sleep(10 * time.Second) // a new store is not believed at once
	}
	mux := http.NewServeMux()
	page := func(path string, f func(w http.ResponseWriter, r *http.Request, s *session.Session)) {
		mux.Handle(path, ask(t, f))
	}
	page("/login", func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		s.Renew()
		user.Set(s, "ann")
	})
	page("/logout", func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		if _, err := s.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	})
	page("/count", func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		_ = count.Update(s, func(n *int) error { *n++; return nil })
	})
	page("/", func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		io.WriteString(w, user.Or(s, "nobody"))
	})
	return m.Handler(mux)
}

// withTwins runs a story with a backup and without.
func withTwins(t *testing.T, story func(t *testing.T, backup *session.Backup)) {
	for _, name := range []string{"without a backup", "with a backup"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var backup *session.Backup
				if name == "with a backup" {
					keys, err := seal.NewKeys(seal.NewKey())
					if err != nil {
						t.Fatal(err)
					}
					backup = &session.Backup{Keys: keys, Audience: "test"}
				}
				story(t, backup)
			})
		})
	}
}

// A Domain is added to the cookie: the one of before stays in the browser, in front.
func TestALoginSticksWhereADomainWasAdded(t *testing.T) {
	const host = "www.shop.test"
	withTwins(t, func(t *testing.T, backup *session.Backup) {
		store, b := memstore.New(nil), newBrowser(t)
		before := application(t, store, session.Options{Cookie: session.Cookie{Name: "sid"}, Backup: backup})
		after := application(t, store, session.Options{Cookie: session.Cookie{Name: "sid", Domain: "shop.test"}, Backup: backup})
		b.open(before, host, "/login")
		time.Sleep(time.Hour) // the old session is over, and its cookie is not
		for n := range 3 {
			b.open(after, host, "/login")
			if _, page := b.open(after, host, "/"); page != "ann" {
				t.Errorf("after login %d the page shows %q, want ann", n+1, page)
			}
			if status, _ := b.open(after, host, "/count"); status != http.StatusOK {
				t.Errorf("a write after login %d answers %d", n+1, status)
			}
		}
		b.open(after, host, "/logout")
		if _, page := b.open(after, host, "/"); page != "nobody" {
			t.Errorf("after the logout the page shows %q", page)
		}
		time.Sleep(time.Minute)
		b.open(after, host, "/login")
		if _, page := b.open(after, host, "/"); page != "ann" {
			t.Errorf("after one more login the page shows %q", page)
		}
	})
}

// The session of before still lives when the Domain is added, and is logged out.
func TestALogoutEndsBothOfTwoCookies(t *testing.T) {
	const host = "www.shop.test"
	withTwins(t, func(t *testing.T, backup *session.Backup) {
		store, b := memstore.New(nil), newBrowser(t)
		before := application(t, store, session.Options{Cookie: session.Cookie{Name: "sid"}, Backup: backup})
		after := application(t, store, session.Options{Cookie: session.Cookie{Name: "sid", Domain: "shop.test"}, Backup: backup})
		other := newBrowser(t)
		b.open(before, host, "/login")
		other.open(after, host, "/login")
		u := &url.URL{Scheme: "https", Host: host, Path: "/"}
		for _, c := range other.jar.Cookies(u) {
			c.Domain = "shop.test"
			c.Path = "/"
			c.Secure = true
			b.jar.SetCookies(u, []*http.Cookie{c})
		}
		b.open(after, host, "/logout")
		for _, h := range []http.Handler{before, after} {
			if _, page := b.open(h, host, "/"); page != "nobody" {
				t.Errorf("after the logout the page shows %q", page)
			}
		}
	})
}

func TestALoginSticksOnAHostBelowAnotherSite(t *testing.T) {
	withTwins(t, func(t *testing.T, backup *session.Backup) {
		b := newBrowser(t)
		production := application(t, memstore.New(nil), session.Options{Cookie: session.Cookie{Domain: "shop.test"}, Backup: backup})
		staging := application(t, memstore.New(nil), session.Options{Cookie: session.Cookie{Domain: "staging.shop.test"}, Backup: backup})
		b.open(production, "www.shop.test", "/login")
		for n := range 2 {
			b.open(staging, "staging.shop.test", "/login")
			if _, page := b.open(staging, "staging.shop.test", "/"); page != "ann" {
				t.Errorf("after login %d on staging the page shows %q", n+1, page)
			}
		}
		if _, page := b.open(production, "www.shop.test", "/"); page != "ann" {
			t.Errorf("production shows %q", page)
		}
	})
}

// In an outage the copy of the session that counts is among the cookies, and the twin in
// front has none.
func TestACopyCountsBehindADeadTwin(t *testing.T) {
	const host = "www.shop.test"
	withTwins(t, func(t *testing.T, backup *session.Backup) {
		if backup == nil {
			return
		}
		faulty, b := storetest.NewFaulty(memstore.New(nil)), newBrowser(t)
		before := application(t, faulty, session.Options{Cookie: session.Cookie{Name: "sid"}})
		after := application(t, faulty, session.Options{Cookie: session.Cookie{Name: "sid", Domain: "shop.test"}, Backup: backup})
		b.open(before, host, "/login")
		b.open(before, host, "/logout")
		b.jar.SetCookies(&url.URL{Scheme: "https", Host: host, Path: "/"}, []*http.Cookie{{
			Name: "sid", Value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Path: "/",
		}})
		b.open(after, host, "/login")
		for range 3 {
			if _, page := b.open(after, host, "/"); page != "ann" {
				t.Fatalf("the page shows %q", page)
			}
		}
		faulty.Fail(errors.New("away"))
		if _, page := b.open(after, host, "/"); page != "ann" {
			t.Errorf("in the outage the page shows %q", page)
		}
	})
}

// countingStore counts loads and saves.
type countingStore struct {
	session.Store
	loads, saves int
}

func (s *countingStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	s.saves++
	return s.Store.Save(ctx, id, r, over)
}

func (s *countingStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	s.loads++
	return s.Store.Load(ctx, id)
}

func TestAtMostFourTokensOfARequestAreLookedAt(t *testing.T) {
	store := &countingStore{Store: memstore.New(nil)}
	h := application(t, store, session.Options{})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for n := range 20 {
		r.AddCookie(&http.Cookie{Name: "__Host-session", Value: string(rune('A'+n)) + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	if store.loads != 4 {
		t.Errorf("%d loads for a request with 20 tokens, want 4", store.loads)
	}
}

// A payment page posts back, or another site has a link. The browser sends no Lax or no
// Strict cookie along, so that a session that begins here would take the place of the
// visitor's.
func TestARequestOfAnotherSiteBeginsNoSession(t *testing.T) {
	post := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Origin": {"https://pay.test"}}
	old := http.Header{"Origin": {"https://pay.test"}} // a browser of before 2023
	link := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}
	for _, test := range []struct {
		name     string
		sameSite http.SameSite
		method   string
		path     string
		header   http.Header
		status   int
		begins   bool
	}{
		{"a POST by a write", 0, "POST", "/count", post, 403, false},
		{"a POST by a read", 0, "POST", "/", post, 200, false},
		{"but a POST by a login, as SAML does", 0, "POST", "/login", post, 200, true},
		{"a POST of an old browser", 0, "POST", "/count", old, 403, false},
		{"but a POST of an old browser by a login", 0, "POST", "/login", old, 200, true},
		{"but a link, which a Lax cookie accompanies", 0, "GET", "/count", link, 200, true},
		{"a link without the Strict cookie by a write", http.SameSiteStrictMode, "GET", "/count", link, 403, false},
		{"a link without the Strict cookie by a read", http.SameSiteStrictMode, "GET", "/", link, 200, false},
		{"but a link without the Strict cookie by a login", http.SameSiteStrictMode, "GET", "/login", link, 200, true},
		{"but what no browser sends", http.SameSiteStrictMode, "POST", "/count", nil, 200, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := &countingStore{Store: memstore.New(nil)}
			h := application(t, store, session.Options{Cookie: session.Cookie{SameSite: test.sameSite}})
			own := httptest.NewRequest(http.MethodPost, "https://shop.example/count", nil) // of another visitor
			own.Header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://shop.example"}}
			h.ServeHTTP(httptest.NewRecorder(), own)
			store.saves = 0

			r := httptest.NewRequest(test.method, "https://shop.example"+test.path, nil)
			if test.header != nil {
				r.Header = test.header.Clone()
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if begins := rec.Header().Get("Set-Cookie") != "" && store.saves > 0; begins != test.begins || rec.Code != test.status {
				t.Errorf("status %d, want %d; a session begins: %v, want %v", rec.Code, test.status, begins, test.begins)
			}
		})
	}
}
