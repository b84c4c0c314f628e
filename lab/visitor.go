package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/holdfast-go/session/lab/peer"
)

// visitor is a person with a browser. Several of its requests may be under way at once.
type visitor struct {
	name   string
	base   string // of the application
	client *http.Client
	limit  time.Duration

	mu       sync.Mutex
	cookies  map[string]string
	told     []string // things that the application said are in the cart
	old      map[string]string
	loggedIn bool // and has not been told that the logout worked
}

func newVisitor(name, base string, client *http.Client, limit time.Duration) *visitor {
	return &visitor{name: name, base: base, client: client, limit: limit, cookies: map[string]string{}}
}

// answer is what came back. Without one, status is 0.
type answer struct {
	status int
	visit  peer.Visit
	took   time.Duration
}

// ok reports whether the application did what was asked.
func (a answer) ok() bool { return a.status == http.StatusOK }

// do sends a request with the visitor's cookies, and keeps those of the answer, as a
// browser does.
func (v *visitor) do(ctx context.Context, method, path string) answer {
	v.mu.Lock()
	cookies := maps.Clone(v.cookies)
	v.mu.Unlock()
	a, set := v.send(ctx, method, path, cookies)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range set {
		if c.MaxAge < 0 || (!c.Expires.IsZero() && c.Expires.Before(time.Now())) {
			delete(v.cookies, c.Name)
			continue
		}
		v.cookies[c.Name] = c.Value
	}
	return a
}

// send sends a request with these cookies. Attributes of cookies are not looked at: the
// lab is one site, on plain HTTP.
func (v *visitor) send(ctx context.Context, method, path string, cookies map[string]string) (a answer, set []*http.Cookie) {
	began := time.Now()
	defer func() { a.took = time.Since(began) }()
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.base+path, nil)
	if err != nil {
		return a, nil
	}
	line := ""
	for name, value := range cookies {
		if line != "" {
			line += "; "
		}
		line += name + "=" + value
	}
	if line != "" {
		r.Header.Set("Cookie", line)
	}
	response, err := v.client.Do(r)
	if err != nil {
		return a, nil
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return a, nil
	}
	if response.StatusCode == http.StatusOK && json.Unmarshal(body, &a.visit) != nil {
		return a, response.Cookies() // not of the application: no answer of 200
	}
	a.status = response.StatusCode
	return a, response.Cookies()
}

func (v *visitor) logIn(ctx context.Context) answer {
	a := v.do(ctx, http.MethodPost, peer.LoginPath+"?user="+v.name)
	if a.ok() {
		v.loggedIn = true
	}
	return a
}

func (v *visitor) look(ctx context.Context) answer { return v.do(ctx, http.MethodGet, peer.MePath) }

// put adds a thing to the cart, and remembers it where the application says that it is
// there.
func (v *visitor) put(ctx context.Context, thing string) answer {
	a := v.do(ctx, http.MethodPost, peer.AddPath+"?thing="+url.QueryEscape(thing))
	if a.ok() {
		v.remember(thing)
	}
	return a
}

func (v *visitor) remember(thing string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.told = append(v.told, thing)
}

// logOut keeps the cookies of before: a thief who has them must not be logged in
// afterwards.
func (v *visitor) logOut(ctx context.Context) answer {
	v.mu.Lock()
	old := maps.Clone(v.cookies)
	v.mu.Unlock()
	a := v.do(ctx, http.MethodPost, peer.LogoutPath)
	if a.ok() {
		v.loggedIn = false
		v.old = old
	}
	return a
}

// again looks with the cookies of before the logout.
func (v *visitor) again(ctx context.Context) answer {
	a, _ := v.send(ctx, http.MethodGet, peer.MePath, v.old)
	return a
}

// is reports whether an answer is of this visitor's own session.
func (v *visitor) is(a answer) bool { return a.ok() && a.visit.User == v.name }
