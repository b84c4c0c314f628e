package takeover_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/cookiesession"
	"github.com/holdfast-go/session/node/doublebackup"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/koa"
	"github.com/holdfast-go/session/node/takeover"
)

var user = session.NewKey[string]("user")

func object(t testing.TB, text string) *fields.Fields {
	t.Helper()
	f, err := fields.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func codec(t testing.TB) *clientsessions.Codec {
	t.Helper()
	c, err := clientsessions.New(clientsessions.Options{Name: "old", Secret: []byte("a secret of the old site")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// old returns, for each system, its source and a cookie with a session of bob.
func old(t testing.TB) map[string]struct {
	source *takeover.Source
	cookie string
} {
	t.Helper()
	now, c := time.Now(), codec(t)
	encode := func(b clientsessions.Box) string {
		text, err := c.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		return "old=" + text
	}
	cookie, err := express.NewCookie(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	record := express.NewRecord(cookie)
	if err := record.Set("user", json.RawMessage(`"bob"`)); err != nil {
		t.Fatal(err)
	}
	double, err := doublebackup.Box(c, record, now)
	if err != nil {
		t.Fatal(err)
	}
	box := c.New(now)
	box.Content = []byte(`{"user":"bob","a/b":1,"":2}`)
	koaSession := koa.NewSession(time.Hour, false)
	koaSession.Fields = object(t, `{"user":"bob"}`)
	return map[string]struct {
		source *takeover.Source
		cookie string
	}{
		"double backup":   {takeover.DoubleBackup(c), encode(double)},
		"client-sessions": {takeover.ClientSessions(c), encode(box)},
		"cookie-session":  {takeover.CookieSession("session", oldKeys()), signedCookie("session", cookiesession.Encode(object(t, `{"user":"bob"}`)))},
		"koa-session":     {takeover.Koa("koa.sess", oldKeys()), signedCookie("koa.sess", koaSession.Encode(now))},
	}
}

// site answers who the visitor is; /logout ends the session.
func site(t testing.TB, store session.Store, o *takeover.Source) http.Handler {
	t.Helper()
	m, err := session.New(store, &session.Options{Cookie: session.Cookie{Name: "ours", Insecure: true}, Adopt: o.Adopt()})
	if err != nil {
		t.Fatal(err)
	}
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if r.URL.Path == "/logout" {
			if _, err := s.Destroy(r.Context()); err != nil {
				return
			}
		}
		fmt.Fprint(w, user.Or(s, "nobody"))
	}))
}

func get(h http.Handler, path, cookie string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// token returns the new session's cookie of an answer, and which cookies it
// drops.
func token(w *httptest.ResponseRecorder) (token string, dropped int) {
	for _, c := range w.Result().Cookies() {
		switch {
		case c.MaxAge < 0:
			dropped++
		case c.Name == "ours" && len(c.Value) == 43:
			token = c.Name + "=" + c.Value
		}
	}
	return token, dropped
}

func TestAVisitorOfTheOldSiteStaysLoggedIn(t *testing.T) {
	for name, o := range old(t) {
		t.Run(name, func(t *testing.T) {
			store := memstore.New(nil)
			h := site(t, store, o.source)
			first := get(h, "/", o.cookie)
			if got := first.Body.String(); got != "bob" {
				t.Fatalf("got %q, want bob", got)
			}
			ours, dropped := token(first)
			if want := strings.Count(o.cookie, ";") + 1; ours == "" || dropped != want {
				t.Errorf("got %q and %d cookies dropped, want %d", first.Header()["Set-Cookie"], dropped, want)
			}
			if got := get(h, "/", ours).Body.String(); got != "bob" {
				t.Errorf("with our cookie: got %q, want bob", got)
			}
			// The old cookie, once more: what is there already stays.
			before := store.Len()
			again := get(h, "/", ours+"; "+o.cookie)
			if again.Body.String() != "bob" || store.Len() != before {
				t.Errorf("with both: got %q and %d records, want bob and %d", again.Body.String(), store.Len(), before)
			}
			if got := get(h, "/", "").Body.String(); got != "nobody" {
				t.Errorf("without a cookie: got %q, want nobody", got)
			}
		})
	}
}

func TestAForgedCookieIsNotTaken(t *testing.T) {
	for name, o := range old(t) {
		t.Run(name, func(t *testing.T) {
			store := memstore.New(nil)
			h := site(t, store, o.source)
			for i := 0; i < len(o.cookie); i += 7 {
				c := o.cookie[i]
				// The last character of a base64 text has bits that mean nothing.
				last := i+1 == len(o.cookie) || strings.IndexByte(";. =", o.cookie[i+1]) >= 0
				if last || strings.IndexByte("=;. ", c) >= 0 {
					continue
				}
				forged := o.cookie[:i] + string(rune(c^1)) + o.cookie[i+1:]
				if got := get(h, "/", forged).Body.String(); got != "nobody" {
					t.Errorf("%s: got %q, want nobody", forged, got)
				}
			}
			if _, err := o.source.Read(&http.Request{}); err == nil {
				t.Error("no cookie: got no error")
			}
		})
	}
}

func TestASessionMayBeRefused(t *testing.T) {
	o := old(t)["cookie-session"]
	o.source.Accept = func(_ *http.Request, f *fields.Fields) bool {
		v, _ := f.Get("user")
		return string(v) != `"bob"`
	}
	store := memstore.New(nil)
	w := get(site(t, store, o.source), "/", o.cookie)
	if got := w.Body.String(); got != "nobody" || store.Len() != 0 {
		t.Errorf("got %q and %d sessions, want nobody and none", got, store.Len())
	}
}

func TestAfterALogoutTheOldCookieIsNobodys(t *testing.T) {
	for name, o := range old(t) {
		t.Run(name, func(t *testing.T) {
			h := site(t, memstore.New(nil), o.source)
			ours, _ := token(get(h, "/", o.cookie))
			w := get(h, "/logout", ours)
			if w.Code != http.StatusOK {
				t.Fatalf("the logout: got %d", w.Code)
			}
			// A thief who has copied it, or a browser that keeps it.
			for _, cookie := range []string{o.cookie, ours + "; " + o.cookie} {
				if got := get(h, "/", cookie).Body.String(); got != "nobody" {
					t.Errorf("the old cookie after the logout: got %q, want nobody", got)
				}
			}
		})
	}
}

func TestALogoutBesideTheOldCookieDropsBoth(t *testing.T) {
	for name, o := range old(t) {
		t.Run(name, func(t *testing.T) {
			h := site(t, memstore.New(nil), o.source)
			ours, _ := token(get(h, "/", o.cookie))
			w := get(h, "/logout", ours+"; "+o.cookie)
			if _, dropped := token(w); dropped != 2+strings.Count(o.cookie, ";") {
				t.Errorf("got %q, want all cookies dropped", w.Header()["Set-Cookie"])
			}
			if got := get(h, "/", o.cookie).Body.String(); got != "nobody" {
				t.Errorf("the old cookie: got %q, want nobody", got)
			}
		})
	}
}

// The old libraries read several texts as one cookie: after the logout a thief with
// a copy of it tries another spelling.
func TestAfterALogoutNoSpellingOfTheOldCookieIsSomebodys(t *testing.T) {
	for name, o := range old(t) {
		t.Run(name, func(t *testing.T) {
			first, signature, signed := strings.Cut(o.cookie, "; ")
			cookie, value, _ := strings.Cut(first, "=")
			others := []string{value + "=", value + "==", value + "!", "!" + value, `"` + value + `"`, strings.TrimRight(value, "=")}
			others = append(others, strings.NewReplacer("-", "+", "_", "/").Replace(value), value[:len(value)-1]+string(rune(value[len(value)-1]^1)))
			if parts := strings.Split(value, "."); len(parts) == 5 {
				for i, part := range parts {
					for _, other := range []string{part + "x", "0" + part, "+" + part, part + "=", part + "!!!!", part[:len(part)-1] + string(rune(part[len(part)-1]^1))} {
						p := slices.Clone(parts)
						p[i] = other
						others = append(others, strings.Join(p, "."))
					}
				}
			}
			readable := 0
			for _, other := range others {
				other = cookie + "=" + other
				if signed {
					other += "; " + signature
				}
				r := &http.Request{Header: http.Header{"Cookie": {other}}}
				if _, err := o.source.Read(r); err != nil {
					continue
				}
				readable++
				h := site(t, memstore.New(nil), o.source)
				ours, _ := token(get(h, "/", o.cookie))
				if w := get(h, "/logout", ours+"; "+o.cookie); w.Code != http.StatusOK {
					t.Fatalf("the logout: got %d", w.Code)
				}
				if got := get(h, "/", other).Body.String(); got != "nobody" {
					t.Errorf("%s: got %q, want nobody", other, got)
				}
			}
			if readable == 0 {
				t.Error("no other spelling is read: the test shows nothing")
			}
		})
	}
}
