package express_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/express"
)

// asked is a store that has nothing, and notes what it is asked for.
type asked struct{ ids []session.ID }

func (s *asked) Load(_ context.Context, id session.ID) (session.Record, error) {
	s.ids = append(s.ids, id)
	return session.Record{}, session.ErrNotFound
}

func (s *asked) Save(context.Context, session.ID, session.Record, session.Version) (session.Version, error) {
	panic("nothing is written")
}

// FuzzTheManagerFindsTheCookieOfExpress compares the session that a Manager
// asks its store for with the one that Express would: the first cookie of the
// name in all Cookie lines, joined as Node joins them.
func FuzzTheManagerFindsTheCookieOfExpress(f *testing.F) {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		f.Fatal(err)
	}
	good, other := secrets.Sign("good"), secrets.Sign("other")
	const name = "connect.sid"
	for _, line := range []string{
		name + "=" + good, name + "=x; " + name + "=" + good, name + "; " + name + "=" + good, name + `="` + good + `"`, name + "= " + good + " ",
		"\u00a0" + name + "=" + other + "; " + name + "=" + good, "\xa0" + name + "=" + other, "\u2000" + name + "=" + other, name + "\u3000=" + other,
		name + "=s%3A" + good[2:], "\t" + name + "\t=\t" + good, name + `="`, name + "=;" + name + "=" + good, name + "=\u00a0" + good,
	} {
		f.Add(line, name+"="+other)
	}
	store := new(asked)
	p := &express.Profile{Secrets: secrets, Cookie: minute}
	o, err := p.Options()
	if err != nil {
		f.Fatal(err)
	}
	m, err := session.New(store, o)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsAny(one+two, "\r\n") {
			return // no header has a line break
		}
		store.ids = nil
		if err := m.Load(t.Context(), http.Header{"Cookie": {one, two}}).Err(); err != nil {
			t.Fatal(err)
		}
		want, _, ok := secrets.Read(one+"; "+two, name)
		switch {
		case len(store.ids) > 1:
			t.Errorf("%q, %q: asked for %q", one, two, store.ids)
		case len(store.ids) == 1 && (!ok || string(store.ids[0]) != want):
			t.Errorf("%q, %q: asked for %q, and Express for %q, %v", one, two, store.ids, want, ok)
		case len(store.ids) == 0 && ok && !strings.ContainsFunc(want, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			t.Errorf("%q, %q: asked for nothing, and Express for %q", one, two, want)
		}
	})
}

func TestTheProtocolThatAProxyForwardsIsTrimmedOfSpacesAndTabsOnly(t *testing.T) {
	for forwarded, want := range map[string]bool{
		"https": true, " HTTPS\t, http": true, "http": false, "": false,
		"\u00a0https": false, "https\u2003": false, "\u0085https": false, "http\u017f": false,
	} {
		if got := express.Secure(express.ProxyTrusted, false, false, forwarded); got != want {
			t.Errorf("%q: got %v, want %v", forwarded, got, want)
		}
	}
}
