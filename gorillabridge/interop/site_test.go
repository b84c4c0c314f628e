package interop_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
	"github.com/holdfast-go/session/internal/test/browser"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// site serves the handler that a test gives each request, on a Manager whose store
// fails on request.
type site struct {
	*browser.Site
	t      *testing.T
	store  *gorillabridge.Store
	faulty *storetest.Faulty
}

func newSite(t *testing.T) *site {
	t.Helper()
	faulty := storetest.NewFaulty(memstore.New(nil))
	m, err := session.New(faulty, &session.Options{
		Cookie: session.Cookie{Insecure: true}, ReadTimeout: 10 * time.Second, SaveTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	return &site{browser.Serve(t, m.Handler), t, gorillabridge.New(m, nil), faulty}
}

// visitor is a browser at a site, which follows no redirect.
type visitor struct {
	*browser.Browser
	*site
}

func (s *site) visitor() *visitor {
	v := &visitor{browser.New(s.t, s.URL), s}
	v.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return v
}

type answer struct {
	status int
	body   string
	to     *url.URL // the redirect's
}

// do sends a request that h answers.
func (v *visitor) do(h http.HandlerFunc) answer {
	v.t.Helper()
	a := v.Get(v.Browser, h)
	to, _ := url.Parse(a.Header.Get("Location"))
	return answer{a.Status, a.Body, to}
}

// copy returns a visitor with the cookies that this one has now.
func (v *visitor) copy() *visitor { return &visitor{v.Copy(), v.site} }
