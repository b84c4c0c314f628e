package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

func TestWhileTheStoreIsAwayNobodyIsLoggedOut(t *testing.T) {
	for name, fail := range map[string]func(*testShop){
		"it fails": func(s *testShop) { s.store.Fail(errors.New("connection refused")) },
		"it hangs": func(s *testShop) { s.store.Hang() },
	} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, func(o *session.Options) { o.ReadTimeout, o.SaveTimeout = 250*time.Millisecond, 250*time.Millisecond })
			v := s.visitor()
			v.postForm("/login", "name=Ada").ok(t, http.StatusSeeOther)
			v.postJSON("/user/shoppingcart", `{"a":1}`).ok(t, http.StatusOK)
			fail(s)
			began := time.Now()
			for _, c := range []struct{ method, path, body, kind string }{
				{"GET", "/user", "", ""},
				{"GET", "/user/readonly", "", ""},
				{"POST", "/user/shoppingcart", "{}", jsonType},
				{"POST", "/user/shoppingcart/clear", "", formType},
				{"POST", "/login", `{"name":"Bo"}`, jsonType},
				{"POST", "/logout", "", ""},
				{"GET", "/", "", ""},
			} {
				a := v.do(c.method, c.path, c.body, "Content-Type", c.kind).ok(t, http.StatusServiceUnavailable)
				if a.header.Get("Retry-After") == "" || a.header.Get("Set-Cookie") != "" {
					t.Errorf("%s %s: got Retry-After %q and Set-Cookie %q, want one and none",
						c.method, c.path, a.header.Get("Retry-After"), a.header.Get("Set-Cookie"))
				}
				if msg := inJSON[map[string]string](t, a)["error"]; !strings.Contains(msg, "session is safe") {
					t.Errorf("%s %s: got %q", c.method, c.path, msg)
				}
			}
			a := v.get("/", "Accept", "text/html").ok(t, http.StatusServiceUnavailable)
			if !strings.Contains(a.body, "Your session is safe.") || !strings.Contains(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("got %s", a.body)
			}
			v.get("/food").ok(t, http.StatusOK)
			if st := inJSON[map[string]any](t, v.get("/status").ok(t, http.StatusOK)); st["state"] != "failing" {
				t.Errorf("got the status %v, want failing", st)
			}
			s.visitor().get("/").ok(t, http.StatusOK) // has no session to ask for
			if d := time.Since(began); d > time.Minute {
				t.Errorf("all this took %v", d)
			}

			s.store.Heal()
			u := inJSON[userReply](t, v.get("/user").ok(t, http.StatusOK))
			if u.Name != "Ada" || len(u.Food) != 1 {
				t.Errorf("afterwards: got %q and %s, want Ada and her cart", u.Name, u.Food)
			}
			if st := inJSON[map[string]any](t, v.get("/status").ok(t, http.StatusOK)); st["state"] != "well" {
				t.Errorf("got the status %v, want well", st)
			}
		})
	}
}
