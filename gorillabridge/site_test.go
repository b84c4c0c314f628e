package gorillabridge_test

import (
	"encoding/gob"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
	"github.com/holdfast-go/session/internal/test/browser"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

type profile struct {
	Name  string
	Roles map[string]int
}

func init() {
	gob.Register(profile{})
	gob.Register(map[string]int{})
}

// site serves the handler that a test gives each request.
type site struct {
	*browser.Site
	t     *testing.T
	store sessions.Store
}

func serve(t *testing.T, store sessions.Store, wrap func(http.Handler) http.Handler) *site {
	t.Helper()
	return &site{browser.Serve(t, wrap), t, store}
}

// bridged is a site on a Manager whose store fails on request.
type bridged struct {
	*site
	faulty   *storetest.Faulty
	sessions *session.Manager
}

func bridge(t *testing.T, o *gorillabridge.Options, backup *session.Backup) *bridged {
	t.Helper()
	return instance(t, storetest.NewFaulty(memstore.New(nil)), o, backup)
}

// instance returns one more instance of a site.
func instance(t *testing.T, faulty *storetest.Faulty, o *gorillabridge.Options, backup *session.Backup) *bridged {
	t.Helper()
	m, err := session.New(faulty, &session.Options{
		Cookie: session.Cookie{Insecure: true}, Backup: backup,
		ReadTimeout: 10 * time.Second, SaveTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	return &bridged{serve(t, gorillabridge.New(m, o), m.Handler), faulty, m}
}

// each runs a case on gorilla's own stores and on the bridge.
func each(t *testing.T, test func(*site)) {
	t.Helper()
	key := []byte("0123456789abcdef0123456789abcdef")
	alone := func(h http.Handler) http.Handler { return h }
	t.Run("gorilla's cookies", func(t *testing.T) {
		own := sessions.NewCookieStore(key)
		own.Options.Secure = false
		test(serve(t, own, alone))
	})
	t.Run("gorilla's files", func(t *testing.T) {
		own := sessions.NewFilesystemStore(t.TempDir(), key)
		own.Options.Secure = false
		test(serve(t, own, alone))
	})
	t.Run("bridge", func(t *testing.T) { test(bridge(t, nil, nil).site) })
}

// visitor is a browser at a site.
type visitor struct {
	*browser.Browser
	*site
}

func (s *site) visitor() *visitor { return &visitor{browser.New(s.t, s.URL), s} }

// do sends a request that h answers, and returns the status and the body.
func (v *visitor) do(h http.HandlerFunc) (int, string) {
	v.t.Helper()
	a := v.Get(v.Browser, h)
	return a.Status, a.Body
}

// with sends a request in which f gets the gorilla session of that name, which is
// saved when f returns true.
func (v *visitor) with(name string, f func(*sessions.Session) (save bool)) {
	v.t.Helper()
	status, body := v.do(func(w http.ResponseWriter, r *http.Request) {
		g, err := v.store.Get(r, name)
		if err != nil {
			v.t.Errorf("Get: %v", err)
		}
		if f(g) {
			if err := g.Save(r, w); err != nil {
				v.t.Errorf("Save: %v", err)
			}
		}
	})
	if status != http.StatusOK {
		v.t.Errorf("status %d, body %q", status, body)
	}
}

// put sets values of a gorilla session, by key and value in turn.
func (v *visitor) put(name string, pairs ...any) {
	v.t.Helper()
	v.with(name, func(g *sessions.Session) bool {
		for i := 0; i < len(pairs); i += 2 {
			g.Values[pairs[i]] = pairs[i+1]
		}
		return true
	})
}

// holds asks that a gorilla session has a value.
func (v *visitor) holds(name string, key, want any) {
	v.t.Helper()
	v.with(name, func(g *sessions.Session) bool {
		if g.Values[key] != want {
			v.t.Errorf("%s: got %v, want %v for %v", name, g.Values, want, key)
		}
		return false
	})
}

// at returns the visitor at another instance.
func (v *visitor) at(other *bridged) *visitor {
	return &visitor{v.At(other.URL), other.site}
}

// copy returns a visitor with the cookies that this one has now.
func (v *visitor) copy() *visitor { return &visitor{v.Copy(), v.site} }
