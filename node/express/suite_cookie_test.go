package express_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/express"
)

func newCookie(t *testing.T, options string) *express.Cookie {
	t.Helper()
	c, err := express.NewCookie([]byte(options), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// holds is a test of what the cookie object of some options has as JSON.
func holds(options, member string) func(t *testing.T) {
	return func(t *testing.T) {
		if got := string(newCookie(t, options).JSON()); !strings.Contains(got, member) {
			t.Errorf("got %s, want %s in it", got, member)
		}
	}
}

var (
	_ = in(holds("", `"path":"/"`), 1, 4)
	_ = in(holds("", `"expires":null`), 2)
	_ = in(holds("", `"httpOnly":true`), 3)
	_ = in(holds("", `"originalMaxAge":null`), 5)
	_ = in(holds(`{"path":"/a"}`, `"path":"/a"`), 6, 17)
	_ = in(holds(`{"httpOnly":false}`, `"httpOnly":false`), 11)
	_ = in(holds(`{"partitioned":true}`, `"partitioned":true`), 16)
	_ = in(holds(`{"priority":"high"}`, `"priority":"high"`), 18)

	_ = in(func(t *testing.T) {
		at := time.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
		c := newCookie(t, `{"expires":"`+at.Format(time.RFC3339Nano)+`"}`)
		if got, ok := c.Expires(); !ok || !got.Equal(at) {
			t.Errorf("got %v, want %v", got, at)
		}
		if got, ok := c.MaxAge(time.Now()); !ok || got <= 59000 || got > 60000 {
			t.Errorf("got maxAge %v, want 60000", got)
		}
	}, 9, 10)

	_ = in(func(t *testing.T) {
		c := newCookie(t, minute)
		if got, ok := c.MaxAge(time.Now()); !ok || got <= 59000 || got > 60000 {
			t.Errorf("got maxAge %v, want 60000", got)
		}
		if got, ok := c.Expires(); !ok || time.Until(got) != time.Minute {
			t.Errorf("got %v, want in a minute", got)
		}
	}, 12, 13)
)

// On which requests a cookie is sent, and which attributes it has.

// sends is a test of one first request.
func sends(change func(*express.Profile), adjust func(*http.Request), want bool, attributes ...string) func(t *testing.T) {
	return func(t *testing.T) {
		a := newApp(t, func(p *express.Profile) {
			p.SaveUninitialized = true
			change(p)
		}, silent)
		r := request("/")
		adjust(r)
		got := a.do(r)
		if wantCookie(t, got, want); !want {
			equal(t, "sessions in the store", a.entries(), 0)
			return
		}
		for _, attribute := range attributes {
			has := strings.Contains(got.cookie+";", "; "+strings.TrimPrefix(attribute, "!")+";")
			if has == strings.HasPrefix(attribute, "!") {
				t.Errorf("got %s, want %s", got.cookie, attribute)
			}
		}
	}
}

func option(cookie string, more ...func(*express.Profile)) func(*express.Profile) {
	return func(p *express.Profile) {
		p.Cookie = cookie
		for _, change := range more {
			change(p)
		}
	}
}

func proxy(to express.Proxy) func(*express.Profile) { return func(p *express.Profile) { p.Proxy = to } }

func isSecure(is bool) func(*express.Profile) {
	return func(p *express.Profile) { p.Secure = func(*http.Request) bool { return is } }
}

func forwarded(proto string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", proto) }
}

func plain(*http.Request) {}

func uri(target string) func(*http.Request) {
	return func(r *http.Request) { *r = *httptest.NewRequest(http.MethodGet, target, nil) }
}

const (
	secureCookie = `{"secure":true,"maxAge":5000}`
	autoSecure   = `{"secure":"auto","maxAge":5000}`
	autoSite     = `{"sameSite":"auto","maxAge":5000}`
	bothAuto     = `{"sameSite":"auto","secure":"auto","maxAge":5000}`
	siteOnly     = `{"sameSite":"auto","secure":false,"maxAge":5000}`
	siteSecure   = `{"sameSite":"auto","secure":true,"maxAge":5000}`
	deepPath     = `{"path":"/foo/bar"}`
)

var (
	_ = in(sends(option(secureCookie, proxy(express.ProxyTrusted)), forwarded("https"), true, "Secure"), 48)
	_ = in(sends(option(secureCookie, proxy(express.ProxyTrusted)), forwarded("https,http"), true, "Secure"), 49)
	_ = in(sends(option(secureCookie, proxy(express.ProxyTrusted)), plain, false), 50)
	_ = in(sends(option(secureCookie, proxy(express.ProxyIgnored)), forwarded("https"), false), 51)
	_ = in(sends(option(secureCookie, proxy(express.ProxyIgnored), isSecure(true)), plain, false), 52)
	_ = in(sends(option(secureCookie), forwarded("https"), false), 53)
	_ = in(sends(option(secureCookie, isSecure(true)), plain, true, "Secure"), 54)

	_ = in(sends(option(deepPath), plain, false), 55)
	_ = in(sends(option(deepPath), uri("http://foo/bar"), false), 56)
	_ = in(sends(option(deepPath), uri("/foo/bar"), true, "Path=/foo/bar"), 57)
	_ = in(sends(option(deepPath), uri("/foo/bar/baz"), true, "Path=/foo/bar"), 58)

	_ = in(sends(option(autoSecure, proxy(express.ProxyTrusted)), forwarded("https"), true, "Secure"), 61)
	_ = in(sends(option(autoSecure, proxy(express.ProxyIgnored)), forwarded("https"), true, "!Secure"), 62)
	_ = in(sends(option(autoSecure, isSecure(true)), plain, true, "Secure"), 63)
	_ = in(sends(option(autoSecure, isSecure(false)), plain, true, "!Secure"), 64)

	_ = in(sends(option(autoSite, isSecure(true)), plain, true, "SameSite=None"), 67)
	_ = in(sends(option(autoSite, isSecure(false)), plain, true, "SameSite=Lax"), 68)
	_ = in(sends(option(autoSite, proxy(express.ProxyTrusted)), forwarded("https"), true, "SameSite=None"), 69)
	_ = in(sends(option(autoSite, proxy(express.ProxyTrusted)), forwarded("http"), true, "SameSite=Lax"), 70)
	_ = in(sends(option(autoSite, proxy(express.ProxyIgnored)), forwarded("https"), true, "SameSite=Lax"), 71)
	_ = in(sends(option(bothAuto, isSecure(true)), plain, true, "SameSite=None", "Secure"), 72)
	_ = in(sends(option(bothAuto, isSecure(false)), plain, true, "SameSite=Lax", "!Secure"), 73)
	_ = in(sends(option(siteOnly, isSecure(true)), plain, true, "SameSite=None", "!Secure"), 74)
	_ = in(sends(option(siteOnly, isSecure(false)), plain, true, "SameSite=Lax", "!Secure"), 75)
	_ = in(sends(option(siteSecure, isSecure(true)), plain, true, "SameSite=None", "Secure"), 76)
	_ = in(sends(option(siteSecure, isSecure(false)), plain, false), 77)

	_ = in(sends(option(`{}`), plain, true, "!Partitioned"), 152)
	_ = in(sends(option(`{"partitioned":false}`), plain, true, "!Partitioned"), 153)
	_ = in(sends(option(`{"partitioned":true}`), plain, true, "Partitioned"), 154)
	_ = in(sends(option(secureCookie), plain, false), 144)
	_ = in(sends(option(secureCookie), uri("https://shop.test/"), true, "Secure"), 143)
)

var _ = in(func(t *testing.T) {
	a := newApp(t, option(deepPath, uninitialized), silent)
	mounted := http.StripPrefix("/foo", a.handler)
	for target, want := range map[string]bool{"/foo/bar": true, "/foo/foo/bar": false} {
		w := httptest.NewRecorder()
		mounted.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if got := w.Header().Get("Set-Cookie") != ""; got != want {
			t.Errorf("%s: got a cookie: %v, want %v", target, got, want)
		}
	}
}, 59, 60)

var _ = in(func(t *testing.T) {
	a := newApp(t, func(p *express.Profile) {
		p.SaveUninitialized, p.Cookie = true, ""
		p.CookieFunc = func(r *http.Request) string { return `{"path":"` + r.URL.Path + `","httpOnly":false}` }
	}, silent)
	r := a.get("/shop")
	if path, _ := attribute(r.cookie, "Path"); path != "/shop" {
		t.Errorf("got %s, want Path=/shop", r.cookie)
	}
	if _, is := attribute(r.cookie, "HttpOnly"); is {
		t.Errorf("got %s, want no HttpOnly", r.cookie)
	}
}, 65, 66)

// What a handler changes in the cookie object.

// changes is a test of a handler that changes the cookie object and the data.
func changes(options string, check func(t *testing.T, a *app, r reply)) func(t *testing.T) {
	return func(t *testing.T) {
		a := newApp(t, option(`{"maxAge":2000}`), func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			hits.Update(s, func(n *int) error { *n++; return nil })
			if options == "" || s.ID() != "" {
				return
			}
			if err := express.ChangeCookie(s, json.RawMessage(options)); err != nil {
				t.Error(err)
			}
		})
		check(t, a, a.get("/"))
	}
}

func attributes(want ...string) func(t *testing.T, a *app, r reply) {
	return func(t *testing.T, a *app, r reply) {
		wantCookie(t, r, true)
		for _, attribute := range want {
			has := strings.Contains(r.cookie+";", "; "+strings.TrimPrefix(attribute, "!")+";")
			if has == strings.HasPrefix(attribute, "!") {
				t.Errorf("got %s, want %s", r.cookie, attribute)
			}
		}
	}
}

func lasts(want time.Duration) func(t *testing.T, a *app, r reply) {
	return func(t *testing.T, a *app, r reply) {
		if got := time.Until(expires(t, r.cookie)).Round(time.Second); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		again := a.get("/", r) // which begins the time anew, as it was changed
		if got := time.Until(expires(t, again.cookie)).Round(time.Second); got != want {
			t.Errorf("the next request: got %v, want %v", got, want)
		}
	}
}

var (
	_ = in(changes(`{"path":"/admin","httpOnly":false,"sameSite":"strict"}`, attributes("Path=/admin", "!HttpOnly", "SameSite=Strict")), 133)
	// Where the option says secure a handler can override it over TLS only: over
	// plain http the session is read-only before the handler runs, and a write that
	// is not refused by the handler is 500.
	_ = in(func(t *testing.T) {
		const options = `{"maxAge":5000,"path":"/admin","priority":"high","httpOnly":false,"secure":false}`
		changes(options, attributes("Path=/admin", "Priority=High", "!HttpOnly", "!Secure"))(t)
		var err error
		a := newApp(t, option(`{"maxAge":2000,"secure":true}`), func(_ http.ResponseWriter, r *http.Request) {
			s := from(r)
			err = express.ChangeCookie(s, json.RawMessage(options))
			hits.Set(s, 1)
		})
		tls := a.do(httptest.NewRequest(http.MethodGet, "https://shop.test/", nil))
		attributes("Path=/admin", "Priority=High", "!HttpOnly", "!Secure")(t, a, tls)
		overHTTP := a.get("/")
		equal(t, "status", overHTTP.Code, http.StatusInternalServerError)
		wantCookie(t, overHTTP, false)
		equal(t, "sessions in the store", a.entries(), 1)
		if !errors.Is(err, session.ErrReadOnly) {
			t.Errorf("got %v, want ErrReadOnly", err)
		}
	}, 136)
	_ = in(changes("", lasts(2*time.Second)), 145)
	_ = in(changes(`{"maxAge":5000}`, lasts(5*time.Second)), 146)
	_ = in(changes(`{"maxAge":3000000000}`, lasts(3_000_000*time.Second)), 147)
	_ = in(changes(`{"expires":"1970-01-01T00:00:00.000Z"}`, func(t *testing.T, a *app, r reply) {
		if got := expires(t, r.cookie); !got.Equal(time.Unix(0, 0)) {
			t.Errorf("got %v, want 1970", got)
		}
		time.Sleep(time.Second)
		equal(t, "sessions in the store", a.entries(), 0) // it has ended
	}), 148)
	_ = in(changes(`{"expires":null}`, func(t *testing.T, a *app, r reply) {
		if got, ok := attribute(r.cookie, "Expires"); wantCookieOf(t, r) && ok {
			t.Errorf("got Expires=%s, want none", got)
		}
		wantCookie(t, a.get("/", r), false) // although it was changed
	}), 149, 151)
)

func wantCookieOf(t *testing.T, r reply) bool {
	wantCookie(t, r, true)
	return r.cookie != ""
}

var (
	_ = in(func(t *testing.T) {
		a := newApp(t, option(``), counts)
		first := a.get("/")
		if _, ok := attribute(first.cookie, "Expires"); !wantCookieOf(t, first) || ok {
			t.Errorf("got %s, want no Expires", first.cookie)
		}
		for range 3 {
			wantCookie(t, a.get("/", first), false)
		}
	}, 134, 135)

	_ = in(func(t *testing.T) {
		a := newApp(t, option(``), func(w http.ResponseWriter, r *http.Request) {
			if s := from(r); s.ID() == "" {
				hits.Set(s, 1)
			}
		})
		first := a.get("/")
		wantCookie(t, first, true)
		wantCookie(t, a.get("/", first), false)
	}, 150)

	_ = in(func(t *testing.T) { // told at once, and the answer is the handler's
		var err error
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			s := from(r)
			err = express.ChangeCookie(s, json.RawMessage(`{"path":"/\u0000"}`))
			hits.Set(s, 1)
		})
		r := a.get("/")
		if err == nil {
			t.Error("got no error")
		}
		equal(t, "status", r.Code, http.StatusOK)
		wantCookie(t, r, true)
	}, 137)

	_ = in(func(t *testing.T) {
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "previous=cookie")
			counts(w, r)
			w.WriteHeader(http.StatusOK)
		})
		r := a.get("/")
		if got := r.Header()["Set-Cookie"]; len(got) != 2 || got[0] != "previous=cookie" || !strings.HasPrefix(got[1], "connect.sid=") {
			t.Errorf("got %q", got)
		}
	}, 138, 139)

	_ = in(func(t *testing.T) {
		a := newApp(t, option(`{"maxAge":2000}`), counts)
		r := a.get("/")
		for range 3 {
			if got := a.stored(a.id(r)); !strings.Contains(got, `"originalMaxAge":2000,`) {
				t.Errorf("got %s, want an originalMaxAge of 2000", got)
			}
			time.Sleep(300 * time.Millisecond)
			r = a.get("/", r)
		}
	}, 140, 141, 142)

	_ = in(func(t *testing.T) { // a touch
		a := newApp(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if s := from(r); s.ID() == "" {
				hits.Set(s, 1)
			}
		})
		first := a.get("/")
		before := a.stored(a.id(first))
		time.Sleep(10 * time.Second)
		a.get("/", first)
		if after := a.stored(a.id(first)); after == before {
			t.Errorf("got %s as before, want a later end", after)
		}
		time.Sleep(55 * time.Second)
		if s := a.get("/", first); s.cookie != "" {
			t.Error("the session has ended")
		}
	}, 132)
)

var errTest = errors.New("the store says no")

var _ session.Store = (*testStore)(nil)

// The time until a fixed date is counted from one reading of the clock. With two readings
// the date is sent a second early in some responses.
func TestAFixedDateGoesOutAsItIs(t *testing.T) {
	const date = "2030-01-01T00:00:00.000Z"
	for name, profile := range map[string]func(*express.Profile){
		"set by a handler": nil,
		"with resave":      func(p *express.Profile) { p.Resave = true },
		"rolling":          rolling,
		"in the option":    option(`{"expires":"` + date + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(123 * time.Millisecond)
				a := newApp(t, profile, func(w http.ResponseWriter, r *http.Request) {
					s := from(r)
					time.Sleep(5 * time.Millisecond)
					if name != "in the option" {
						if err := express.ChangeCookie(s, json.RawMessage(`{"expires":"`+date+`"}`)); err != nil {
							t.Error(err)
						}
					}
					hits.Update(s, func(n *int) error { *n++; return nil })
					time.Sleep(7 * time.Millisecond)
				})
				a.store.delay = 3 * time.Millisecond
				last := a.get("/")
				for range 5 {
					if got := expires(t, last.cookie).Format(time.RFC3339); got != "2030-01-01T00:00:00Z" {
						t.Errorf("got %s, want %s", got, date)
					}
					time.Sleep(31 * time.Millisecond)
					last = a.get("/", last)
				}
			})
		})
	}
}
