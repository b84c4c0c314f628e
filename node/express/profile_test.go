package express_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/express"
)

func TestWhatIsDangerousIsRefusedWithItsReason(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*express.Profile)
		want   string
	}{
		{"no secret", func(p *express.Profile) { p.Secrets = nil }, "Secrets are missing"},
		{"two cookies", func(p *express.Profile) { p.CookieFunc = func(*http.Request) string { return "" } }, "two answers"},
		{"a maxAge of memcached's for ever", option(`{"maxAge":999}`), "below a second"},
		{"a maxAge that is text", option(`{"maxAge":"1h"}`), "maxAge is not a number"},
		{"a cookie that is no JSON", option(`{maxAge:1}`), "not JSON"},
		{"a path that cannot be sent", option(`{"path":"/;"}`), "path is invalid"},
		{"a domain that cannot be sent", option(`{"domain":"a b"}`), "domain is invalid"},
		{"a name that cannot be sent", func(p *express.Profile) { p.Name = "a b" }, "not a token"},
		{"an unknown sameSite", option(`{"sameSite":"any"}`), "sameSite is invalid"},
		{"what browsers drop", option(`{"sameSite":"none"}`), "browsers drop"},
		{"a negative TTL", func(p *express.Profile) { p.TTL = -1 }, "negative"},
	} {
		s, err := express.NewSecrets([]byte("keyboard cat"))
		if err != nil {
			t.Fatal(err)
		}
		p := &express.Profile{Secrets: s, Cookie: minute}
		test.change(p)
		if o, err := p.Options(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", test.name, o, err, test.want)
		}
	}
}

func TestTheOptionsOfAProfileAreThoseOfAManager(t *testing.T) {
	for _, test := range []struct {
		cookie   string
		ttl      time.Duration
		idle     time.Duration
		insecure bool
		path     string
	}{
		{``, 0, 24 * time.Hour, true, "/"},
		{``, time.Hour, time.Hour, true, "/"},
		{`{"maxAge":60000,"secure":true,"path":"/a"}`, time.Hour, time.Minute, false, "/a"},
		{`{"secure":"auto"}`, 0, 24 * time.Hour, false, "/"},
	} {
		s, err := express.NewSecrets([]byte("keyboard cat"))
		if err != nil {
			t.Fatal(err)
		}
		o, err := (&express.Profile{Secrets: s, Cookie: test.cookie, TTL: test.ttl}).Options()
		if err != nil {
			t.Fatal(err)
		}
		if o.Idle != test.idle || o.Cookie.Insecure != test.insecure || o.Cookie.Path != test.path || o.Cookie.Name != "connect.sid" {
			t.Errorf("%s: got idle %v and cookie %+v", test.cookie, o.Idle, o.Cookie)
		}
	}
}

// The middleware would store one session after the other, and send no cookie.
func TestASecureCookieOverPlainHTTPBeginsNoSession(t *testing.T) {
	synctest.Test(t, secureOverPlain)
}

func secureOverPlain(t *testing.T) {
	a := newApp(t, option(secureCookie), counts)
	r := a.get("/")
	if r.Code != http.StatusInternalServerError || a.entries() != 0 {
		t.Errorf("got status %d and %d sessions, want 500 and none", r.Code, a.entries())
	}
	if a.failed == nil || !strings.Contains(a.failed.Error(), session.ErrReadOnly.Error()) {
		t.Errorf("got %v, want ErrReadOnly", a.failed)
	}
}

func TestAnIDThatNoStoreCouldHaveIsReplaced(t *testing.T) {
	synctest.Test(t, badIDs)
}

func badIDs(t *testing.T) {
	for _, bad := range []string{"", "a b", "größe", strings.Repeat("x", 201)} {
		a := newApp(t, func(p *express.Profile) { p.GenID = func(*http.Request) string { return bad } }, counts)
		if id := a.id(a.get("/")); len(id) != 32 {
			t.Errorf("%q: got id %q, want a random one", bad, id)
		}
	}
}
