package interop_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/keygrip"
	"github.com/holdfast-go/session/node/takeover"
)

const oldSecret = "a secret of the old site"

func oldCodec(t testing.TB, name string) *clientsessions.Codec {
	t.Helper()
	c, err := clientsessions.New(clientsessions.Options{Name: name, Secret: []byte(oldSecret)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forge changes a character in the middle of a visitor's cookie.
func (v *visitor) forge(at, name string) {
	v.t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		v.t.Fatal(err)
	}
	all := v.client.Jar.Cookies(u)
	if v.client.Jar, err = cookiejar.New(nil); err != nil {
		v.t.Fatal(err)
	}
	for _, c := range all {
		if c.Name == name {
			b := []byte(c.Value)
			b[len(b)/2] ^= 1
			c.Value = string(b)
		}
	}
	v.client.Jar.SetCookies(u, all)
}

func TestVisitorsOfASiteWithItsSessionsInCookiesStayLoggedIn(t *testing.T) {
	node := startNode(t, "cookies.js", map[string]string{"secret": oldSecret})[0]
	keys, err := keygrip.New([][]byte{[]byte(oldSecret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, cookie string
		source       *takeover.Source
	}{
		{"/double", "backup", takeover.DoubleBackup(oldCodec(t, "backup"))},
		{"/client", "session", takeover.ClientSessions(oldCodec(t, "session"))},
		{"/cookie", "session", takeover.CookieSession("session", keys)},
	} {
		t.Run(test.path[1:], func(t *testing.T) {
			m, err := session.New(memstore.New(nil), &session.Options{
				Cookie: session.Cookie{Name: "ours", Insecure: true}, Adopt: test.source.Adopt(),
			})
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(m.Handler(application(nil)))
			t.Cleanup(srv.Close)

			v := newVisitor(t)
			v.post(node+test.path, map[string]string{"user": "bob <b@shop.test>"})
			thief := v.twin(node)
			forger := v.twin(node)
			forger.forge(node, test.cookie)
			if a := forger.get(srv.URL + "/read"); a.ID != "" || len(a.Fields) > 0 {
				t.Errorf("a forged cookie: got %v, want no session", a)
			}
			a := v.get(srv.URL + "/read")
			if got, want := field(a, "user"), `"bob <b@shop.test>"`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if b := v.get(srv.URL + "/read"); a.ID == "" || b.ID != a.ID {
				t.Errorf("got session %q and then %q, want one", a.ID, b.ID)
			}
			if _, text, err := v.try(http.MethodGet, node+test.path, nil); err != nil || text != "{}" {
				t.Errorf("the old site: got %s, %v, want no session: its cookie is gone", text, err)
			}
			v.post(srv.URL+"/destroy", nil)
			if b := thief.get(srv.URL + "/read"); b.ID != "" || len(b.Fields) > 0 {
				t.Errorf("the old cookie after the logout: got %v, want no session", b)
			}
		})
	}
}

// The store of the Express site is away, and so the visitor has only the copy.
func TestTheDoubleBackupIsTakenOverInAnOutage(t *testing.T) {
	node := startNode(t, "cookies.js", map[string]string{"secret": oldSecret})[0]
	srv := redistest.Start(t)
	p := profile(t, oneHour, "keyboard cat")
	o, err := p.Options()
	if err != nil {
		t.Fatal(err)
	}
	short(t)(o)
	source := takeover.DoubleBackup(oldCodec(t, "backup"))
	o.Adopt = source.Adopt()
	m, err := session.New(redisStore(t, srv.URL()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	site := httptest.NewServer(p.Handler(m, source.WhenAway(m, application(p))))
	t.Cleanup(site.Close)

	v := newVisitor(t)
	v.post(node+"/double", map[string]string{"user": "bob"})
	u, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	v.client.Jar.SetCookies(u, []*http.Cookie{{Name: "connect.sid", Value: strings.ReplaceAll(url.QueryEscape(p.Secrets.Sign("known")), "%2E", ".")}})
	srv.Kill()
	a := v.get(site.URL + "/read")
	if field(a, "user") != `"bob"` || a.ID == "known" || a.ID == "" {
		t.Fatalf("got %v, want bob under a new id", a)
	}
	srv.Restart()
	eventually(t, "the session in the store", func() bool { return srv.Command("EXISTS", "sess:"+a.ID) == "1" })
	if b := v.get(site.URL + "/read"); b.ID != a.ID || field(b, "user") != `"bob"` {
		t.Errorf("got %v, want the same session", b)
	}
}
