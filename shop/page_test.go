package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The browser's forms, without a browser: see module e2e for one.
func TestAVisitorShopsWithFormsAlone(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	page := func(path string) string {
		t.Helper()
		return v.get(path, "Accept", "text/html").ok(t, http.StatusOK).body
	}
	post := func(path, form string) string {
		t.Helper()
		return page(v.postForm(path, form).ok(t, http.StatusSeeOther).header.Get("Location"))
	}
	has := func(html string, wanted ...string) {
		t.Helper()
		for _, w := range wanted {
			if !strings.Contains(html, w) {
				t.Errorf("the page does not say %q:\n%s", w, html)
			}
		}
	}

	html := page("/")
	has(html, "Log in with any name", "You have none.")
	if strings.Contains(html, "/user/shoppingcart") {
		t.Error("the page lets a visitor without a session add to a cart")
	}
	if s.store.Loads()+s.store.Saves() != 0 {
		t.Error("looking at the page asked the store")
	}

	has(post("/login", "name=%3Cb%3EAda"), "Hello, <b>&lt;b&gt;Ada</b>", "Nothing in it yet.")
	id := regexp.MustCompile(`<dd class="id">([0-9a-f]{32})</dd>`).FindStringSubmatch(page("/"))
	if id == nil {
		t.Fatal("the page does not show the session's ID")
	}
	has(page("/"), "<dd>the store</dd>", "it ends in 30 minutes")

	post("/user/shoppingcart", "sku=rye")
	html = post("/user/shoppingcart", "sku=rye")
	has(html, "Rye bread is in your cart.", "2 ×", "€ 6.40")
	if strings.Contains(html, v.cookie()) {
		t.Error("the page shows the token")
	}
	item := regexp.MustCompile(`name="item" value="([0-9a-f]+)"`).FindStringSubmatch(html)
	if item == nil {
		t.Fatal("nothing can be removed")
	}
	has(post("/user/shoppingcart/remove", "item="+item[1]), "Rye bread is out of your cart.", "1 ×", "€ 3.20")
	post("/user/shoppingcart/remove", "item="+item[1])
	has(post("/user/shoppingcart/remove", "item="+item[1]), "That was not in your cart any more.", "Nothing in it yet.")
	post("/user/shoppingcart", "sku=tea")
	has(post("/user/shoppingcart/clear", ""), "Your cart is empty.", "Nothing in it yet.")

	has(post("/logout", ""), "You are logged out.", "You have none.")
	if a := v.postForm("/user/shoppingcart", "sku=rye").ok(t, http.StatusForbidden); !strings.Contains(a.body, "You are not logged in") {
		t.Errorf("got %s", a.body)
	}
}

func TestThePageWritesOnlyToTakeAMessage(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.postForm("/login", "name=Ada").ok(t, http.StatusSeeOther)
	v.postForm("/user/shoppingcart", "sku=rye").ok(t, http.StatusSeeOther)
	s.listed("Ada")
	saves := s.store.Saves()
	v.do(http.MethodHead, "/", "").ok(t, http.StatusOK)
	if got := s.store.Saves() - saves; got != 0 {
		t.Errorf("HEAD wrote %d times, want 0", got)
	}
	if a := v.get("/").ok(t, http.StatusOK); !strings.Contains(a.body, "Rye bread is in your cart.") {
		t.Error("the message was not shown")
	}
	for range 3 {
		if a := v.get("/").ok(t, http.StatusOK); strings.Contains(a.body, "Rye bread is in your cart.") {
			t.Error("the message was shown again")
		}
	}
	if got := s.store.Saves() - saves; got != 1 {
		t.Errorf("four pages, one of them with a message, wrote %d times, want 1", got)
	}
}

func TestABrowserThatDropsTheCookieIsToldWhy(t *testing.T) {
	a := openShop(t).visitor().get("/?after=login").ok(t, http.StatusOK)
	if !strings.Contains(a.body, "-insecure") {
		t.Errorf("got %s", a.body)
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	v := openShop(t).visitor()
	for _, path := range []string{"/", "/user", "/food", "/status", "/shop.css", "/shop.js", "/favicon.svg", "/favicon.ico", "/nothing"} {
		h := v.get(path).header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: got the policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: got %v", path, h)
		}
	}
	tag := v.get("/shop.css").ok(t, http.StatusOK).header.Get("ETag")
	v.get("/shop.css", "If-None-Match", tag).ok(t, http.StatusNotModified)
	if html := v.get("/").body; regexp.MustCompile(`(?i)\sstyle=|\son\w+=|<style|<script>`).MatchString(html) {
		t.Error("the page has what its own policy forbids")
	}
}
