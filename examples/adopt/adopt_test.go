package adopt

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// site is the old library under /old and this one under /new. Both know /login,
// /logout and who the visitor is.
func site(t *testing.T, old http.Handler, a *session.Adopt) *httptest.Server {
	t.Helper()
	m, err := session.New(memstore.New(nil), &session.Options{
		Cookie: session.Cookie{Name: "ours", Insecure: true}, Adopt: a, ReadTimeout: time.Minute, SaveTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/old/", old)
	mux.Handle("/new/", m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil && r.URL.Path == "/new/logout" {
			_, err = s.Destroy(r.Context())
		}
		if err != nil {
			session.Error(w, r, err)
			return
		}
		who, _ := user.Get(s)
		n, _ := items.Get(s)
		fmt.Fprint(w, who, n)
	})))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

type browser struct {
	t      *testing.T
	at     string
	client *http.Client
}

func newBrowser(t *testing.T, at string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, at, &http.Client{Jar: jar}}
}

func (b *browser) want(path, want string) {
	b.t.Helper()
	answer, err := b.client.Get(b.at + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if string(text) != want {
		b.t.Errorf("%s: got %q, want %q", path, text, want)
	}
}

// thief returns a browser with the cookies that this one has now.
func (b *browser) thief() *browser {
	b.t.Helper()
	u, err := url.Parse(b.at)
	if err != nil {
		b.t.Fatal(err)
	}
	other := newBrowser(b.t, b.at)
	other.client.Jar.SetCookies(u, b.client.Jar.Cookies(u))
	return other
}

// visit is what must hold, whichever the old library is. It returns a browser
// with the cookies that a thief copied before the logout.
func visit(t *testing.T, srv *httptest.Server) (thief *browser) {
	t.Helper()
	newBrowser(t, srv.URL).want("/new/", "0") // a stranger
	b := newBrowser(t, srv.URL)
	b.want("/old/login", "bob3")
	thief = b.thief()
	b.want("/new/", "bob3")
	b.want("/new/", "bob3")
	b.want("/new/logout", "0")
	b.want("/new/", "0")
	thief.want("/new/", "0")
	thief.want("/new/logout", "0")
	thief.want("/new/", "0")
	return thief
}

func scsSite(t *testing.T, change func(*scs.SessionManager)) *httptest.Server {
	t.Helper()
	old := scs.New()
	old.Cookie.Name = "old"
	if change != nil {
		change(old)
	}
	return site(t, old.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old/login" {
			old.Put(r.Context(), "user", "bob")
			old.Put(r.Context(), "items", 3)
		}
		fmt.Fprint(w, old.GetString(r.Context(), "user"), old.GetInt(r.Context(), "items"))
	})), SCS(old))
}

func TestVisitorsOfSCSStayAndTheirLogoutHolds(t *testing.T) {
	for name, change := range map[string]func(*scs.SessionManager){
		"defaults":      nil,
		"idle timeout":  func(old *scs.SessionManager) { old.IdleTimeout = time.Hour },
		"hashed tokens": func(old *scs.SessionManager) { old.HashTokenInStore = true },
	} {
		t.Run(name, func(t *testing.T) {
			thief := visit(t, scsSite(t, change))
			thief.want("/old/", "0") // End
		})
	}
}

type brokenStore struct{ scs.Store }

func (brokenStore) Find(string) ([]byte, bool, error) { return nil, false, errors.New("away") }

func TestSCSsStoreThatIsAwayIsNoLogout(t *testing.T) {
	old := scs.New()
	old.Cookie.Name = "old"
	well := old.Store
	srv := site(t, old.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		old.Put(r.Context(), "user", "bob")
	})), SCS(old))
	b := newBrowser(t, srv.URL)
	b.want("/old/login", "")
	old.Store = brokenStore{well}
	b.want("/new/", "session unavailable, try again\n")
	old.Store = well
	b.want("/new/", "bob0")
}

func TestVisitorsOfGorillaStayAndTheirLogoutHolds(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	for name, old := range map[string]sessions.Store{
		"cookies": sessions.NewCookieStore(key),
		"files":   sessions.NewFilesystemStore(t.TempDir(), key),
	} {
		t.Run(name, func(t *testing.T) {
			srv := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := old.Get(r, "old")
				if err == nil && r.URL.Path == "/old/login" {
					s.Values["user"], s.Values["items"] = "bob", 3
					s.Options.Secure = false
					err = s.Save(r, w)
				}
				if err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, s.Values["user"], s.Values["items"])
			}), Gorilla(old, "old", 30*24*time.Hour))
			visit(t, srv)
			// What is saved once more is the same session.
			if name == "files" {
				b := newBrowser(t, srv.URL)
				b.want("/old/login", "bob3")
				thief := b.thief()
				b.want("/old/login", "bob3")
				b.want("/new/logout", "0")
				thief.want("/new/", "0")
			}
			forger := newBrowser(t, srv.URL)
			u, err := url.Parse(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			forger.client.Jar.SetCookies(u, []*http.Cookie{{Name: "old", Value: "bm90IGdlbnVpbmU"}})
			forger.want("/new/", "0")
		})
	}
}

// securecookie's base64 is not strict: after the logout a thief with a copy of the
// old cookie tries another spelling of it.
func TestAfterALogoutNoSpellingOfAGorillaCookieIsSomebodys(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	others := 0
	for extra := range 3 { // bytes whose number is a multiple of three have no other spelling
		old := sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))
		old.Options.Secure = false
		who := "bob" + strings.Repeat("x", 3*extra)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := old.Get(r, "old")
			if err == nil && r.URL.Path == "/old/login" {
				s.Values["user"], s.Values["items"] = who, 3
				err = s.Save(r, w)
			}
			if err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, s.Values["user"], s.Values["items"])
		})
		srv := site(t, h, Gorilla(old, "old", 30*24*time.Hour))
		b := newBrowser(t, srv.URL)
		b.want("/old/login", who+"3")
		u, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		var cookie string
		for _, c := range b.client.Jar.Cookies(u) {
			if c.Name == "old" {
				cookie = c.Value
			}
		}
		b.want("/new/", who+"3")
		b.want("/new/logout", "0")
		text := strings.TrimRight(cookie, "=")
		if text == cookie {
			continue
		}
		others++
		last := strings.IndexByte(alphabet, text[len(text)-1])
		other := text[:len(text)-1] + string(alphabet[last^1]) + cookie[len(text):]
		thief := newBrowser(t, srv.URL)
		thief.client.Jar.SetCookies(u, []*http.Cookie{{Name: "old", Value: other}})
		thief.want("/old/", who+"3") // which reads it
		thief.want("/new/", "0")
	}
	if others == 0 {
		t.Error("no cookie has another spelling: the test shows nothing")
	}
}
