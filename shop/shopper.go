package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// shopper is a simulated visitor: a browser's cookies, clicks at random, and a record of all
// that the shop has acknowledged.
type shopper struct {
	group *shoppers
	name  string
	jar   *jar

	cart  map[string]bool // the numbers of the things that must be in the cart
	maybe map[string]bool // and of those of which that is not known, as an answer was lost
	wrote time.Time       // when the last change was sent that the shop acknowledged
	next  int             // the number of the next thing
	again int             // how often the shopper has logged in again
}

// maxThings bounds what a shopper has in the cart, so that a copy has room for it beside a user of
// 5 KB, with what an outage adds.
const maxThings = 5

// maxAgain bounds how often a shopper logs in again. In an outage each login leaves an ended
// session in the copy, and a copy full of them has no room for a cart.
const maxAgain = 1

// visit runs from the login until the shopper leaves, or ctx ends. Few shoppers log
// out: most close the tab.
func (s *shopper) visit(ctx context.Context) {
	stays := true
	for !s.login(ctx) {
		if !s.group.think(ctx) {
			return
		}
	}
	for stays && s.group.think(ctx) {
		switch n := rand.IntN(1000); {
		case n < 620:
			s.look(ctx)
		case n < 700:
			s.do(ctx, http.MethodGet, "/", "", http.StatusOK) // the page
		case n < 900 && len(s.cart) < maxThings:
			s.add(ctx)
		case n < 950:
			s.remove(ctx)
		case n < 965:
			s.empty(ctx)
		case n < 980 && s.again < maxAgain:
			s.again++
			s.login(ctx) // which gives a new token
		case n < 984:
			s.group.tryOld(ctx)
		case n < 990:
			if s.logout(ctx) {
				return
			}
		default:
			stays = false
		}
	}
	s.group.leave(s)
}

func (s *shopper) login(ctx context.Context) bool {
	_, ok := s.do(ctx, http.MethodPost, "/login", `{"name":`+strconv.Quote(s.name)+`}`, http.StatusOK)
	return ok
}

// look reads what the shop knows of the shopper.
func (s *shopper) look(ctx context.Context) {
	body, ok := s.do(ctx, http.MethodGet, "/user/readonly", "", http.StatusOK)
	if !ok {
		return
	}
	var got struct {
		Name string
		Food []thing
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Name != s.name {
		s.group.miss(fmt.Sprintf("%s is called %q: %v", s.name, got.Name, err))
	}
	s.compare(got.Food)
}

// thing is what shoppers put into carts: with a number, to know it again.
type thing struct {
	Food
	Number string `json:"number"`
}

func numberOf(item json.RawMessage) string {
	var t thing
	if json.Unmarshal(item, &t) != nil {
		return ""
	}
	return t.Number
}

func (s *shopper) add(ctx context.Context) {
	s.next++
	t := thing{menu[rand.IntN(len(menu))], strconv.Itoa(s.next)}
	item, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	body, ok := s.do(ctx, http.MethodPost, "/user/shoppingcart", string(item), http.StatusOK)
	if !ok {
		s.maybe[t.Number] = true
		return
	}
	s.cart[t.Number] = true
	var got []thing
	if err := json.Unmarshal(body, &got); err != nil {
		s.group.miss(s.name + " got a cart that is no cart: " + err.Error())
	}
	s.compare(got)
}

func (s *shopper) remove(ctx context.Context) {
	for number := range s.cart {
		// The shop may have written the thing differently, so the shopper asks for it
		// as it is.
		body, ok := s.do(ctx, http.MethodGet, "/user/readonly", "", http.StatusOK)
		var got struct{ Food []json.RawMessage }
		if !ok || json.Unmarshal(body, &got) != nil {
			return
		}
		for _, item := range got.Food {
			if numberOf(item) == number {
				delete(s.cart, number)
				if !s.form(ctx, "/user/shoppingcart/remove", url.Values{"item": {digest(item)}}) {
					s.maybe[number] = true
				}
				return
			}
		}
		return
	}
}

func (s *shopper) empty(ctx context.Context) {
	if s.form(ctx, "/user/shoppingcart/clear", nil) {
		clear(s.cart)
		clear(s.maybe)
		return
	}
	maps.Copy(s.maybe, s.cart)
	clear(s.cart)
}

// logout leaves the cookies of before with the group, which tries later whether
// they are good for anything.
func (s *shopper) logout(ctx context.Context) bool {
	old := s.jar.copy()
	_, ok := s.do(ctx, http.MethodPost, "/logout", "", http.StatusNoContent)
	if ok {
		s.group.keepOld(old)
	}
	return ok
}

func (s *shopper) form(ctx context.Context, path string, values url.Values) bool {
	r := s.request(ctx, http.MethodPost, path, values.Encode())
	r.Header.Set("Content-Type", formType)
	_, ok := s.send(r, http.StatusSeeOther)
	return ok
}

func (s *shopper) do(ctx context.Context, method, path, body string, want int) ([]byte, bool) {
	r := s.request(ctx, method, path, body)
	if body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	return s.send(r, want)
}

// request returns a request whose answer the shopper waits for even when sent home,
// because an unread answer might hold a new token.
func (s *shopper) request(ctx context.Context, method, path, body string) *http.Request {
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, s.group.url+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is the listener's
	}
	return r
}

// send returns the answer. An answer that is not the wanted one counts as failed,
// and as a logout where the shop does not know the shopper any more.
func (s *shopper) send(r *http.Request, want int) ([]byte, bool) {
	for _, c := range s.jar.cookies() {
		r.AddCookie(c)
	}
	s.group.requests.Add(1)
	sent := time.Now()
	w, err := s.group.client.Do(r)
	var body []byte
	if err == nil {
		s.jar.keep(w.Cookies())
		body, err = io.ReadAll(w.Body)
		_ = w.Body.Close()
	}
	switch {
	case err == nil && (w.StatusCode == want || w.StatusCode == http.StatusAccepted): // it waits for the store
		if r.Method == http.MethodPost {
			s.wrote = sent
		}
		return body, true
	case err == nil && w.StatusCode == http.StatusForbidden:
		s.group.logouts.Add(1)
		s.group.complain("%s was logged out, at %s %s", s.name, r.Method, r.URL.Path)
		s.jar.clear()
		clear(s.cart)
		clear(s.maybe)
		s.login(r.Context()) // again, to go on
	case err == nil:
		s.group.failed.Add(1)
		s.group.complain("%s: %s %s: status %d: %.100s", s.name, r.Method, r.URL.Path, w.StatusCode, bytes.TrimSpace(body))
	default:
		s.group.failed.Add(1)
		s.group.complain("%s: %v", s.name, err)
	}
	return nil, false
}

// compare compares the cart with the writes that were acknowledged. The shop has
// lost each thing that is missing, and each that has returned.
func (s *shopper) compare(got []thing) {
	there := map[string]bool{}
	for _, t := range got {
		there[t.Number] = true
		if !s.cart[t.Number] && !s.maybe[t.Number] {
			s.group.miss(fmt.Sprintf("%s has thing %s in the cart, which was taken out, or has it twice", s.name, t.Number))
		}
	}
	for number := range s.cart {
		if !there[number] {
			s.group.miss(fmt.Sprintf("%s misses thing %s", s.name, number))
		}
	}
	if len(there) != len(got) {
		s.group.miss(s.name + " has things twice")
	}
	s.cart = there
	clear(s.maybe)
}
