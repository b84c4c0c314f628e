package interop_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	"github.com/markbates/goth/providers/faux"

	"github.com/holdfast-go/session"
)

var user = session.NewKey[string]("user")

// begin is the handler that sends the visitor to the provider.
func begin(w http.ResponseWriter, r *http.Request) {
	r.URL.RawQuery = "provider=faux"
	gothic.BeginAuthHandler(w, r)
}

// callback is the handler that the provider sends the visitor back to.
func callback(state string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = url.Values{"provider": {"faux"}, "state": {state}}.Encode()
		who, err := gothic.CompleteUserAuth(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		v, _ := session.From(r.Context())
		v.Renew()
		user.Set(v, who.UserID)
		io.WriteString(w, "welcome")
	}
}

func gothicSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	old := gothic.Store
	gothic.Store = s.store
	goth.UseProviders(&faux.Provider{})
	t.Cleanup(func() { gothic.Store = old; goth.ClearProviders() })
	return s
}

// leave sends the visitor to the provider and returns the state that comes back.
func (b *visitor) leave() (state string) {
	b.t.Helper()
	a := b.do(begin)
	if a.status != http.StatusTemporaryRedirect || a.to == nil || a.to.Query().Get("state") == "" {
		b.t.Fatalf("%+v, want a redirect with a state", a)
	}
	return a.to.Query().Get("state")
}

// addToCart is a handler of the shop's own, which knows gorilla's API.
func addToCart(s *site) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g, err := s.store.Get(r, "cart")
		if err == nil {
			g.Values["items"] = 3
			err = g.Save(r, w)
		}
		if err != nil {
			s.t.Error(err)
		}
	}
}

func TestALoginByGothicKeepsTheCart(t *testing.T) {
	s := gothicSite(t)
	b := s.visitor()
	b.do(addToCart(s))
	before := b.copy()
	state := b.leave()
	if a := b.do(callback(state)); a.status != http.StatusOK || a.body != "welcome" {
		t.Fatalf("%+v", a)
	}
	b.do(func(_ http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		cart, err := s.store.Get(r, "cart")
		if who := user.Or(v, ""); err != nil || cart.Values["items"] != 3 || who != "id" {
			t.Errorf("user %q, cart %v, %v", who, cart.Values, err)
		}
		// gothic deletes what it noted for the flow, and nothing else.
		if flow, err := s.store.Get(r, gothic.SessionName); err != nil || !flow.IsNew {
			t.Errorf("gothic's session still holds %v, %v", flow.Values, err)
		}
	})
	before.do(func(_ http.ResponseWriter, r *http.Request) {
		if v, err := session.From(r.Context()); err != nil || v.ID() != "" {
			t.Errorf("the token of before the login opens session %s, %v", v.ID(), err)
		}
	})
	if a := b.do(callback(state)); a.status != http.StatusForbidden {
		t.Errorf("the same answer of the provider again: %+v", a)
	}
}

func TestGothicRefusesAStateThatIsNotTheVisitors(t *testing.T) {
	s := gothicSite(t)
	b, attacker := s.visitor(), s.visitor()
	b.leave()
	state := attacker.leave()
	if a := b.do(callback(state)); a.status != http.StatusForbidden || !strings.Contains(a.body, "state") {
		t.Errorf("%+v", a)
	}
	if a := s.visitor().do(callback(state)); a.status != http.StatusForbidden {
		t.Errorf("a visitor without a session: %+v", a)
	}
}

// gothic ignores the errors of its Store, and would say that the visitor has never
// begun to log in.
func TestGothicInAnOutageIs503AndTheLoginGoesOnAfterwards(t *testing.T) {
	s := gothicSite(t)
	b := s.visitor()
	state := b.leave()
	s.faulty.Fail(errors.New("connection refused"))
	for _, h := range []http.HandlerFunc{callback(state), begin} {
		if a := b.do(h); a.status != http.StatusServiceUnavailable {
			t.Errorf("%+v", a)
		}
	}
	s.faulty.Heal()
	if a := b.do(callback(state)); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
}
