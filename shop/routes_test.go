package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

type userReply struct {
	Name    string
	Profile json.RawMessage
	Food    []json.RawMessage
}

func TestAProgramUsesEveryRoute(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.get("/user/readonly").ok(t, http.StatusForbidden)
	v.postJSON("/user/shoppingcart", `{}`).ok(t, http.StatusForbidden)
	if n := s.store.Loads() + s.store.Saves(); n != 0 {
		t.Errorf("a visitor without a session cost %d store calls, want none", n)
	}

	made := v.get("/user").ok(t, http.StatusOK)
	u := inJSON[userReply](t, made)
	if u.Name == "" || u.Food == nil || len(u.Food) != 0 {
		t.Errorf("got the user %q with the food %s, want a name and []", u.Name, u.Food)
	}
	if n := len(u.Profile); n < 4500 || n > 5500 {
		t.Errorf("the profile has %d bytes, want about 5 KB", n)
	}
	if c := made.header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-session=") {
		t.Errorf("got the cookie %q, want __Host-session", c)
	}
	for _, path := range []string{"/user", "/user/readonly"} {
		if got := v.get(path).ok(t, http.StatusOK); got.body != made.body || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s does not show the same user, or sets a cookie", path)
		}
	}
	if got := v.postJSON("/user/shoppingcart", ` {"a": [1, 2]} `).ok(t, http.StatusOK).body; got != `[{"a":[1,2]}]`+"\n" {
		t.Errorf("got the cart %s", got)
	}
	if got := v.postJSON("/user/shoppingcart", `{"b":"é"}`).ok(t, http.StatusOK).body; got != `[{"a":[1,2]},{"b":"é"}]`+"\n" {
		t.Errorf("got the cart %s", got)
	}

	before := v.cookie()
	login := v.postJSON("/login", `{"name":" Ada "}`).ok(t, http.StatusOK)
	if got := inJSON[userReply](t, login).Name; got != "Ada" {
		t.Errorf("logged in as %q, want Ada", got)
	}
	if v.cookie() == before {
		t.Error("the login did not renew the token")
	}
	if c := login.header.Get("Set-Cookie"); strings.Contains(c, "Max-Age") {
		t.Errorf("nobody asked to be remembered, and the cookie is %q", c)
	}
	remembered := s.visitor().postJSON("/login", `{"name":"Bo","remember":true}`).ok(t, http.StatusOK)
	if c := remembered.header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=2592000") && !strings.Contains(c, "Max-Age=2591999") {
		t.Errorf("the cookie of a remembered login is %q", c)
	}
	after := inJSON[userReply](t, v.get("/user").ok(t, http.StatusOK))
	if after.Name != "Ada" || string(after.Profile) != string(u.Profile) || len(after.Food) != 2 {
		t.Errorf("after the login: got %q, %s, want Ada with the same profile and cart", after.Name, after.Food)
	}
	s.visitor().get("/user/readonly", "Cookie", "__Host-session="+before).ok(t, http.StatusForbidden)

	before = v.cookie()
	if got := v.do(http.MethodPost, "/logout", "").ok(t, http.StatusNoContent); got.body != "" {
		t.Errorf("got %q, want nothing", got.body)
	}
	v.get("/user/readonly").ok(t, http.StatusForbidden)
	s.visitor().get("/user/readonly", "Cookie", "__Host-session="+before).ok(t, http.StatusForbidden)
	v.do(http.MethodPost, "/logout", "").ok(t, http.StatusNoContent)
}

func TestLoginMakesAUserWhereThereIsNone(t *testing.T) {
	v := openShop(t).visitor()
	v.postJSON("/login", `{"name":"Bo"}`).ok(t, http.StatusOK)
	if u := inJSON[userReply](t, v.get("/user/readonly").ok(t, http.StatusOK)); u.Name != "Bo" || len(u.Profile) < 4500 {
		t.Errorf("got %q with a profile of %d bytes", u.Name, len(u.Profile))
	}
}

func TestFoodAndStatusDoNotAskForTheSession(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.get("/user").ok(t, http.StatusOK)
	loads := s.store.Loads()
	if got := v.get("/food").ok(t, http.StatusOK); got.body != "[]\n" || got.header.Get("Vary") != "" {
		t.Errorf("got %q, Vary %q; want [] and none", got.body, got.header.Get("Vary"))
	}
	st := inJSON[map[string]any](t, v.get("/status").ok(t, http.StatusOK))
	counts, _ := st["counts"].(map[string]any)
	if st["state"] != "well" || st["store"] != "memory:" || counts["saves"] != 1.0 {
		t.Errorf("got the status %v", st)
	}
	if got := s.store.Loads(); got != loads {
		t.Errorf("they loaded the session %d times, want never", got-loads)
	}
}

// Refresh is so short here that any other route puts the expiry off each time.
func TestReadOnlyReadsOnly(t *testing.T) {
	s := openShop(t, func(o *session.Options) { o.Refresh = time.Nanosecond })
	v := s.visitor()
	v.get("/user").ok(t, http.StatusOK)
	for deadline := time.Now().Add(20 * time.Second); s.sessions.Stats().Refreshes == 0; {
		if time.Now().After(deadline) {
			t.Fatal("GET /user never put the expiry off: this test would prove nothing")
		}
		v.get("/user").ok(t, http.StatusOK)
	}
	if err := s.sessions.Close(t.Context()); err != nil { // waits
		t.Fatal(err)
	}
	s = openShop(t, func(o *session.Options) { o.Refresh = time.Nanosecond })
	v = s.visitor()
	v.get("/user").ok(t, http.StatusOK)
	loads, saves := s.store.Loads(), s.store.Saves()
	for range 5 {
		if got := v.get("/user/readonly").ok(t, http.StatusOK); got.header.Get("Set-Cookie") != "" {
			t.Errorf("got the cookie %q, want none", got.header.Get("Set-Cookie"))
		}
	}
	if err := s.sessions.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.store.Loads() - loads; got != 5 {
		t.Errorf("got %d loads for 5 requests, want 5", got)
	}
	if got := s.store.Saves() - saves; got != 0 {
		t.Errorf("got %d saves, want none", got)
	}
}

func TestAWrongRequestGetsAClearAnswer(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.get("/user").ok(t, http.StatusOK)
	large := strings.Repeat("x", 4096)
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
	}{
		{"an unknown path", "GET", "/nothing", "", "", 404},
		{"an unknown path below a known one", "GET", "/user/nobody", "", "", 404},
		{"a wrong method", "DELETE", "/user", "", "", 405},
		{"a wrong method on the cart", "GET", "/user/shoppingcart", "", "", 405},
		{"an item that is not JSON", "POST", "/user/shoppingcart", jsonType, "{", 400},
		{"an item and more", "POST", "/user/shoppingcart", jsonType, "{} {}", 400},
		{"an array as an item", "POST", "/user/shoppingcart", jsonType, "[{}]", 400},
		{"null as an item", "POST", "/user/shoppingcart", jsonType, "null", 400},
		{"no item", "POST", "/user/shoppingcart", jsonType, "", 400},
		{"an item that is not UTF-8", "POST", "/user/shoppingcart", jsonType, "{\"a\":\"\xff\"}", 400},
		{"an item of another content type", "POST", "/user/shoppingcart", "text/plain", "{}", 415},
		{"an item of no content type", "POST", "/user/shoppingcart", "", "{}", 415},
		{"an item of more than 4 KB", "POST", "/user/shoppingcart", jsonType, `{"a":"` + large + `"}`, 413},
		{"a form of more than 4 KB", "POST", "/user/shoppingcart", formType, "sku=" + large, 413},
		{"a form that is broken", "POST", "/user/shoppingcart", formType, "sku=%zz", 400},
		{"what is not on the menu", "POST", "/user/shoppingcart", formType, "sku=gold", 400},
		{"a login without a name", "POST", "/login", jsonType, "{}", 400},
		{"a login with an empty name", "POST", "/login", formType, "name=+", 400},
		{"a login with a number for a name", "POST", "/login", jsonType, `{"name":1}`, 400},
		{"a login with a name of two lines", "POST", "/login", jsonType, `{"name":"a\nb"}`, 400},
		{"a login with a name that is too long", "POST", "/login", jsonType, `{"name":"` + strings.Repeat("é", 41) + `"}`, 400},
		{"a login of another content type", "POST", "/login", "text/plain", "{}", 415},
		{"a login of more than 4 KB", "POST", "/login", jsonType, `{"name":"` + large + `"}`, 413},
		{"JSON where only forms go", "POST", "/user/shoppingcart/clear", jsonType, "{}", 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			saves := s.store.Saves()
			got := v.do(c.method, c.path, c.body, "Content-Type", c.kind).ok(t, c.status)
			if c.status == 405 && got.header.Get("Allow") == "" {
				t.Error("got no Allow")
			}
			if c.status != 404 && c.status != 405 && inJSON[map[string]string](t, got)["error"] == "" {
				t.Errorf("got %q, want an error in JSON", got.body)
			}
			if len(got.body) > 300 || strings.Contains(got.body, ".go:") {
				t.Errorf("got %q, want a short answer", got.body)
			}
			if got := s.store.Saves(); got != saves {
				t.Error("it was saved")
			}
		})
	}
	if got := inJSON[userReply](t, v.get("/user")); len(got.Food) != 0 {
		t.Errorf("got the cart %s, want nothing of all this", got.Food)
	}
	// Exactly 4 KB are not more than 4 KB.
	v.postJSON("/user/shoppingcart", `{"a":"`+strings.Repeat("x", 4096-8)+`"}`).ok(t, http.StatusOK)
}

func TestAFormOfAnotherSiteIsRefused(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.postForm("/login", "name=Ada").ok(t, http.StatusSeeOther)
	s.listed("Ada")
	saves := s.store.Saves()
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.test"},
		{"Origin", "null"},
	} {
		for _, path := range []string{"/user/shoppingcart", "/login", "/logout"} {
			v.do(http.MethodPost, path, "name=Eve&sku=rye", append(header, "Content-Type", formType)...).ok(t, http.StatusForbidden)
		}
	}
	if s.store.Saves() != saves {
		t.Error("something was saved")
	}
	v.do(http.MethodPost, "/user/shoppingcart", "sku=rye", "Content-Type", formType, "Origin", s.server.URL).ok(t, http.StatusSeeOther)
}

func TestAPanicIsA500AndSavesNothing(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	s.store.Before(func(op string, _ session.ID) error { panic("boom on " + op) })
	a := v.get("/user").ok(t, http.StatusInternalServerError)
	if strings.Contains(a.body, "boom") || strings.Contains(a.body, ".go:") || a.header.Get("Set-Cookie") != "" {
		t.Errorf("got %q and the cookie %q, want no details and none", a.body, a.header.Get("Set-Cookie"))
	}
	s.store.Before(nil)
	v.get("/user").ok(t, http.StatusOK)
}

func TestAPanicInTheMiddleOfAnAnswerCutsItOff(t *testing.T) {
	server := httptest.NewServer(recovered(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half"))
		http.NewResponseController(w).Flush()
		panic("boom")
	}), slog.New(slog.DiscardHandler)))
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	w, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if b, err := io.ReadAll(w.Body); err == nil {
		t.Errorf("got %q as a whole answer", b)
	}
}

func (v *visitor) cookie() string {
	v.t.Helper()
	r := httptest.NewRequest(http.MethodGet, v.server.URL, nil)
	for _, c := range v.client.Jar.Cookies(r.URL) {
		if c.Name == "__Host-session" {
			return c.Value
		}
	}
	v.t.Fatal("the visitor has no session cookie")
	return ""
}
