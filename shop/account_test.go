package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// withBackup gives the shop of a test a backup.
func withBackup(t *testing.T) func(*session.Options) {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return func(o *session.Options) { o.Backup = &session.Backup{Keys: keys, Audience: "shop-test"} }
}

// loggedIn returns a visitor who has logged in.
func (s *testShop) loggedIn(name string, headers ...string) *visitor {
	s.t.Helper()
	v := s.visitor()
	v.do(http.MethodPost, "/login", `{"name":"`+name+`"}`, append([]string{"Content-Type", jsonType}, headers...)...).ok(s.t, http.StatusOK)
	return v
}

// devices waits until the list of a visitor's devices has a length, and returns it. It is
// written in the background.
func (v *visitor) devices(want int) []device {
	v.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := inJSON[[]device](v.t, v.get("/account/devices").ok(v.t, http.StatusOK))
		if len(got) == want {
			return got
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("got the devices %v, want %d", got, want)
		}
	}
}

// listed waits until the list of a user's devices, which is written in the background, has
// one. devices cannot tell: it always shows the visitor's own.
func (s *testShop) listed(user string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		all, err := s.sessions.Sessions(s.t.Context(), user)
		if err == nil && len(all) == 1 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("got the sessions %v of %s and %v, want one", all, user, err)
		}
	}
}

func (v *visitor) isIn() bool { return v.get("/user/readonly").status == http.StatusOK }

func TestAVisitorSeesTheDevices(t *testing.T) {
	s := openShop(t)
	v := s.loggedIn("Ada", "User-Agent", firefox)
	s.loggedIn("Ada", "User-Agent", "curl/8")
	s.loggedIn("Bo")
	all := v.devices(2)
	for _, d := range all {
		want := "curl"
		if d.Current {
			want = "Firefox on Linux"
		}
		if d.Listed["browser"] != want {
			t.Errorf("got the browser %q, want %q", d.Listed["browser"], want)
		}
		if d.ID == "" || d.Began.IsZero() || d.LastSeen.Before(d.Began) || !d.Ends.After(d.LastSeen) {
			t.Errorf("got %+v, want an ID and its dates", d)
		}
	}
	if all[0].Current == all[1].Current {
		t.Errorf("got %v, want one that is the current", all)
	}
	raw := v.get("/account/devices")
	for _, name := range []string{`"id"`, `"current"`, `"began"`, `"lastSeen"`, `"ends"`, `"listed"`} {
		if !strings.Contains(raw.body, name) {
			t.Errorf("got %s, want %s in it", raw.body, name)
		}
	}
	page := v.get("/account", "Accept", "text/html").ok(t, http.StatusOK)
	for _, want := range []string{"Firefox on Linux", "curl", "This device", "/account/devices/end-others"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q: %s", want, page.body)
		}
	}
	if strings.Count(page.body, `name="id"`) != 1 || page.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got Cache-Control %q and %s, want no-store and one button", page.header.Get("Cache-Control"), page.body)
	}
}

func TestAVisitorEndsADevice(t *testing.T) {
	s := openShop(t)
	v, other := s.loggedIn("Ada"), s.loggedIn("Ada")
	stranger := s.loggedIn("Bo")
	id := ofOther(v.devices(2))
	for _, c := range []struct {
		name   string
		by     *visitor
		body   string
		status int
	}{
		{"of another user", stranger, `{"id":"` + string(id) + `"}`, http.StatusForbidden},
		{"that is not there", v, `{"id":"00000000000000000000000000000000"}`, http.StatusNotFound},
		{"without an ID", v, `{}`, http.StatusBadRequest},
		{"with a number for an ID", v, `{"id":1}`, http.StatusBadRequest},
		{"with an ID that is none", v, `{"id":"a b"}`, http.StatusBadRequest},
		{"with half a body", v, `{"id":`, http.StatusBadRequest},
	} {
		if got := c.by.postJSON("/account/devices/end", c.body); got.status != c.status || inJSON[map[string]string](t, got)["error"] == "" {
			t.Errorf("one %s: got status %d and %s, want %d and an error", c.name, got.status, got.body, c.status)
		}
	}
	if !other.isIn() {
		t.Fatal("the device has ended")
	}
	v.postJSON("/account/devices/end", `{"id":"`+string(id)+`"}`).ok(t, http.StatusNoContent)
	if other.isIn() || !v.isIn() || !stranger.isIn() {
		t.Errorf("the other device, this one and a stranger's are in: %v, %v, %v; want false, true, true", other.isIn(), v.isIn(), stranger.isIn())
	}
	v.postJSON("/account/devices/end", `{"id":"`+string(id)+`"}`).ok(t, http.StatusNotFound)
	if got := v.postForm("/account/devices/end", "id="+string(id)).ok(t, http.StatusSeeOther); got.header.Get("Location") != "/account" {
		t.Errorf("got the way to %q, want /account", got.header.Get("Location"))
	}
	if page := v.get("/account", "Accept", "text/html"); !strings.Contains(page.body, "logged out already") {
		t.Errorf("the page does not say so: %s", page.body)
	}
	// The device that is used is logged out.
	own := v.devices(1)[0].ID
	if got := v.postForm("/account/devices/end", "id="+string(own)).ok(t, http.StatusSeeOther); got.header.Get("Location") != "/?after=logout" {
		t.Errorf("got the way to %q, want that of a logout", got.header.Get("Location"))
	}
	if v.isIn() {
		t.Error("this device is not logged out")
	}
}

func ofOther(all []device) session.ID {
	for _, d := range all {
		if !d.Current {
			return d.ID
		}
	}
	return ""
}

func TestAVisitorEndsAllOtherDevices(t *testing.T) {
	for name, change := range map[string]func(*session.Options){
		"with a backup":    withBackup(t),
		"without a backup": func(*session.Options) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, change)
			v := s.loggedIn("Ada")
			second, third := s.loggedIn("Ada"), s.loggedIn("Ada")
			stranger := s.loggedIn("Bo")
			v.devices(3)
			v.do(http.MethodPost, "/account/devices/end-others", "").ok(t, http.StatusNoContent)
			if second.isIn() || third.isIn() || !v.isIn() || !stranger.isIn() {
				t.Errorf("the others, this one and a stranger's are in: %v, %v, %v, %v; want neither of the others, and both of these",
					second.isIn(), third.isIn(), v.isIn(), stranger.isIn())
			}
			if got := v.devices(1); !got[0].Current {
				t.Errorf("got %v, want the current one", got)
			}
			v.postForm("/account/devices/end-others", "").ok(t, http.StatusSeeOther)
			if page := v.get("/account", "Accept", "text/html"); !strings.Contains(page.body, "Your other devices are logged out.") {
				t.Errorf("the page does not say so: %s", page.body)
			}
		})
	}
}

func TestDevicesAreOfThoseWhoHaveLoggedIn(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.get("/account").ok(t, http.StatusForbidden)
	v.get("/user").ok(t, http.StatusOK) // a session whose user nobody has logged in as
	for _, path := range []string{"/account", "/account/devices"} {
		v.get(path).ok(t, http.StatusForbidden)
	}
	for _, path := range []string{"/account/devices/end", "/account/devices/end-others", "/checkout"} {
		v.postJSON(path, `{"id":"00000000000000000000000000000000"}`).ok(t, http.StatusForbidden)
	}
}

func TestWhileTheStoreIsAwayTheCurrentDeviceIsShown(t *testing.T) {
	s := openShop(t, withBackup(t), func(o *session.Options) { o.ReadTimeout, o.SaveTimeout = 250*time.Millisecond, 250*time.Millisecond })
	v := s.loggedIn("Ada", "User-Agent", firefox)
	s.loggedIn("Ada")
	id := ofOther(v.devices(2))
	s.store.Fail(errors.New("connection refused"))
	got := v.get("/account/devices").ok(t, http.StatusServiceUnavailable)
	if all := inJSON[[]device](t, got); len(all) != 1 || !all[0].Current || all[0].Listed["browser"] != "Firefox on Linux" {
		t.Errorf("got %s, want the current device", got.body)
	}
	page := v.get("/account", "Accept", "text/html").ok(t, http.StatusServiceUnavailable)
	if !strings.Contains(page.body, "The store does not answer") || !strings.Contains(page.body, "This device") || page.header.Get("Retry-After") == "" {
		t.Errorf("got Retry-After %q and %s", page.header.Get("Retry-After"), page.body)
	}
	v.postJSON("/account/devices/end", `{"id":"`+string(id)+`"}`).ok(t, http.StatusServiceUnavailable)
	v.postForm("/checkout", "").ok(t, http.StatusServiceUnavailable)
	if at := v.postForm("/account/devices/end-others", "").ok(t, http.StatusSeeOther).header.Get("Location"); !strings.Contains(v.get(at, "Accept", "text/html").body, othersWait) {
		t.Errorf("the page at %s does not say that the other devices wait for the store", at)
	}
	if got := v.postJSON("/account/devices/end-others", "").ok(t, http.StatusAccepted); inJSON[map[string]string](t, got)["waits"] != othersWait {
		t.Errorf("a program is told %s, want that the other devices wait for the store", got.body)
	}
	at := s.visitor().postForm("/users/end", "user=Bea").ok(t, http.StatusSeeOther).header.Get("Location")
	if page := s.visitor().get(at, "Accept", "text/html"); !strings.Contains(page.body, "All sessions of Bea end as soon as the store is back.") {
		t.Errorf("the administrator is told, at %s, %s", at, page.body)
	}
	if v.postJSON("/login", `{"name":"Ada"}`).ok(t, http.StatusOK); !v.isIn() {
		t.Error("nobody can log in")
	}
}

// Five minutes after the login the shop asks again who it is, before it sells or logs out
// others. Reading the list asks for nothing.
func TestALoginThatIsOldIsAskedForTheNameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inProcess(t)
		v := s.browser()
		v.form("/login", "name=Ada", http.StatusSeeOther)
		v.form("/user/shoppingcart", "sku=rye", http.StatusSeeOther)
		v.form("/checkout", "", http.StatusSeeOther)
		if page := v.page("/"); !strings.Contains(page, "Paid: € 3.20.") || !strings.Contains(page, "Nothing in it yet.") {
			t.Errorf("got %s, want that it is paid", page)
		}
		v.form("/user/shoppingcart", "sku=rye", http.StatusSeeOther)
		time.Sleep(stepUpAfter + time.Second)
		for path, back := range map[string]string{"/checkout": "/", "/account/devices/end-others": "/account", "/account/devices/end": "/account"} {
			asks := v.form(path, "id=00000000000000000000000000000000", http.StatusForbidden)
			if !strings.Contains(asks, `action="/login/again"`) || !strings.Contains(asks, `name="then" value="`+back+`"`) {
				t.Errorf("%s does not ask for the name: %s", path, asks)
			}
		}
		v.form("/login/again", "then=/&name=Bo", http.StatusForbidden)
		v.form("/checkout", "", http.StatusForbidden)
		if got := v.form("/login/again", "then=//evil.test&name=Ada", http.StatusSeeOther); strings.Contains(got, "evil") {
			t.Errorf("it leads to %s", got)
		}
		v.form("/checkout", "", http.StatusSeeOther)
		if page := v.page("/"); !strings.Contains(page, "Paid: € 3.20.") {
			t.Errorf("got %s, want that it is paid", page)
		}
	})
}

func TestOnlyTheMachineOfTheShopSeesUsers(t *testing.T) {
	s := openShop(t, withBackup(t))
	v, other := s.loggedIn("Ada", "User-Agent", firefox), s.loggedIn("Bo")
	s.listed("Ada")
	staff := s.visitor()
	for _, from := range [][]string{{"Via", "1.1 proxy"}, {"X-Forwarded-For", "192.0.2.1"}} {
		staff.get("/users?user=Ada", from...).ok(t, http.StatusForbidden)
		staff.do(http.MethodPost, "/users/end", "user=Ada", append(from, "Content-Type", formType)...).ok(t, http.StatusForbidden)
	}
	if !v.isIn() {
		t.Fatal("somebody else has logged a user out")
	}
	if page := staff.get("/users", "Accept", "text/html").ok(t, http.StatusOK); !strings.Contains(page.body, `name="user"`) {
		t.Errorf("got %s, want a search", page.body)
	}
	if page := staff.get("/users?user=Ada", "Accept", "text/html").ok(t, http.StatusOK); !strings.Contains(page.body, "Firefox on Linux") || strings.Contains(page.body, "This device") {
		t.Errorf("got %s, want Ada's device", page.body)
	}
	alone := openShop(t) // without a backup, where a store that is new is not asked for patience
	if page := alone.visitor().get("/users?user=Cleo", "Accept", "text/html").ok(t, http.StatusOK); !strings.Contains(page.body, "is not logged in") {
		t.Errorf("got %s, want that there is none", page.body)
	}
	staff.postForm("/users/end", "user=").ok(t, http.StatusBadRequest)
	staff.postForm("/users/end", "user=Ada").ok(t, http.StatusSeeOther)
	if v.isIn() || !other.isIn() {
		t.Errorf("Ada and Bo are in: %v, %v; want false, true", v.isIn(), other.isIn())
	}
}

func TestTheNamesOfBrowsers(t *testing.T) {
	const like = " AppleWebKit/537.36 (KHTML, like Gecko) "
	for agent, want := range map[string]string{
		"": "An unknown browser", "x": "An unknown browser", firefox: "Firefox on Linux", "curl/8.5.0": "curl",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + like + "Chrome/140.0.0.0 Safari/537.36":                                                     "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + like + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":                                       "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 10; K)" + like + "Chrome/140.0.0.0 Mobile Safari/537.36":                                                     "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1": "Safari on an iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15":                   "Safari on a Mac",
		"<script>alert(1)</script>": "An unknown browser",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}

// processShop is the shop without a network, for tests in virtual time.
type processShop struct {
	t       *testing.T
	handler http.Handler
}

func inProcess(t *testing.T) *processShop {
	t.Helper()
	discard := slog.New(slog.DiscardHandler)
	o := options(config{idle: 30 * time.Minute, lifetime: 24 * time.Hour}, nil, discard)
	sessions, err := session.New(memstore.New(nil), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sessions.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return &processShop{t, newShop(sessions, newPanel(backend{name: "memory:"}, config{noBackup: true}), discard)}
}

// tab is a browser in front of a processShop.
type tab struct {
	*processShop
	jar *jar
}

func (s *processShop) browser() *tab { return &tab{s, newJar()} }

func (b *tab) do(r *http.Request, want int) *http.Response {
	b.t.Helper()
	r.Header.Set("Accept", "text/html")
	for _, c := range b.jar.cookies() {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	answer := w.Result()
	b.jar.keep(answer.Cookies())
	if answer.StatusCode != want {
		b.t.Fatalf("%s %s: got status %d, want %d: %s", r.Method, r.URL, answer.StatusCode, want, w.Body)
	}
	return answer
}

// form sends a form, and returns where the answer leads, and its body.
func (b *tab) form(path, body string, want int) string {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	answer := b.do(r, want)
	return answer.Header.Get("Location") + read(b.t, answer)
}

func (b *tab) page(path string) string {
	b.t.Helper()
	return read(b.t, b.do(httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, nil), http.StatusOK))
}

func read(t *testing.T, w *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
