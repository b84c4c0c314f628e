package scsbridge_test

import (
	"context"
	"encoding/gob"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	scsmem "github.com/alexedwards/scs/v2/memstore"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/scsbridge"
	"github.com/holdfast-go/session/storetest"
)

type profile struct {
	Name  string
	Roles map[string]int
}

func init() {
	gob.Register(profile{})
	gob.Register(time.Time{}) // scs needs it
}

// manager is what scs and the bridge have in common.
type manager interface {
	LoadAndSave(http.Handler) http.Handler
	RenewToken(context.Context) error
	Destroy(context.Context) error
	Put(context.Context, string, any)
	Get(context.Context, string) any
	Pop(context.Context, string) any
	Remove(context.Context, string)
	Clear(context.Context) error
	Exists(context.Context, string) bool
	Keys(context.Context) []string

	GetString(context.Context, string) string
	GetBool(context.Context, string) bool
	GetInt(context.Context, string) int
	GetInt64(context.Context, string) int64
	GetInt32(context.Context, string) int32
	GetFloat(context.Context, string) float64
	GetBytes(context.Context, string) []byte
	GetTime(context.Context, string) time.Time
	PopString(context.Context, string) string
	PopBool(context.Context, string) bool
	PopInt(context.Context, string) int
	PopFloat(context.Context, string) float64
	PopBytes(context.Context, string) []byte
	PopTime(context.Context, string) time.Time
}

var (
	_ manager = (*scs.SessionManager)(nil)
	_ manager = (*scsbridge.SessionManager)(nil)
)

// site is an application on either of them.
type site struct {
	t *testing.T
	manager
}

// bridged is a site on a Manager whose store fails on request.
type bridged struct {
	*site
	faulty   *storetest.Faulty
	sessions *session.Manager
}

func bridge(t *testing.T, o session.Options, own *scsbridge.Options) *bridged {
	t.Helper()
	return instance(t, storetest.NewFaulty(memstore.New(nil)), o, own)
}

// instance returns one more instance of a site.
func instance(t *testing.T, faulty *storetest.Faulty, o session.Options, own *scsbridge.Options) *bridged {
	t.Helper()
	o.Cookie.Insecure = true
	o.ReadTimeout, o.SaveTimeout = 10*time.Second, 10*time.Second
	m, err := session.New(faulty, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	return &bridged{&site{t, scsbridge.New(m, own)}, faulty, m}
}

// sites makes a site on scs and one on the bridge, with these timeouts.
func sites(lifetime, idle time.Duration) map[string]func(*testing.T) *site {
	own := scs.New() // whose store has a goroutine, which no bubble of synctest may have
	return map[string]func(*testing.T) *site{
		"scs": func(t *testing.T) *site {
			own.Store = scsmem.NewWithCleanupInterval(0)
			own.Lifetime, own.IdleTimeout = lifetime, idle
			return &site{t, own}
		},
		"bridge": func(t *testing.T) *site {
			return bridge(t, session.Options{Lifetime: lifetime, Idle: idle}, nil).site
		},
	}
}

// each runs a case on scs and on the bridge.
func each(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	for name, newSite := range sites(24*time.Hour, time.Hour) {
		t.Run(name, func(t *testing.T) { test(t, newSite(t)) })
	}
}

// visitor keeps cookies.
type visitor struct {
	*site
	jar http.CookieJar
}

func (s *site) visitor() *visitor {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{s, jar}
}

var home = &url.URL{Scheme: "http", Host: "shop.test", Path: "/"}

// serve sends a request that h answers, below LoadAndSave.
func (v *visitor) serve(h http.HandlerFunc) *httptest.ResponseRecorder {
	v.t.Helper()
	ctx, end := context.WithCancel(context.Background()) // as a server ends it
	defer end()
	r := httptest.NewRequest(http.MethodGet, home.String(), nil).WithContext(ctx)
	for _, c := range v.jar.Cookies(home) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	v.LoadAndSave(h).ServeHTTP(w, r)
	v.jar.SetCookies(home, w.Result().Cookies())
	return w
}

// do sends a request in which f uses the session, and which must be answered 200.
func (v *visitor) do(f func(ctx context.Context)) {
	v.t.Helper()
	w := v.serve(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) })
	if w.Code != http.StatusOK {
		v.t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

// put sets a value in a request of its own.
func (v *visitor) put(key string, val any) {
	v.t.Helper()
	v.do(func(ctx context.Context) { v.Put(ctx, key, val) })
}

// cookies returns what the visitor's browser has.
func (v *visitor) cookies() []*http.Cookie { return v.jar.Cookies(home) }

// copy returns a visitor with the cookies that this one has now.
func (v *visitor) copy() *visitor {
	v.t.Helper()
	other := v.visitor()
	other.jar.SetCookies(home, v.cookies())
	return other
}

// at returns the visitor at another instance.
func (v *visitor) at(other *bridged) *visitor { return &visitor{other.site, v.jar} }
