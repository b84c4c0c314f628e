// Package browser visits the real servers of tests as a browser does, which keeps cookies.
package browser

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"
)

// Browser is a client with cookies of its own.
type Browser struct {
	URL    string // of the server that it visits
	Client *http.Client

	t testing.TB
}

// New returns a browser without cookies that visits the server at url.
func New(t testing.TB, url string) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{URL: url, Client: &http.Client{Jar: jar, Timeout: time.Minute}, t: t}
}

// Answer is an answer with all of its body.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request without a body, and fails the test where it gets no answer.
func (b *Browser) Do(method, path string) Answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.Client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Errorf("%s %s: %v", method, path, err)
	}
	return Answer{res.StatusCode, res.Header, string(body)}
}

// Cookies returns the cookies that the next request to the server carries.
func (b *Browser) Cookies() []*http.Cookie { return b.Client.Jar.Cookies(b.parsed()) }

// Copy returns a browser with the cookies that this one has now.
func (b *Browser) Copy() *Browser {
	b.t.Helper()
	other := New(b.t, b.URL)
	other.Client.Jar.SetCookies(b.parsed(), b.Cookies())
	other.Client.Transport, other.Client.CheckRedirect = b.Client.Transport, b.Client.CheckRedirect
	return other
}

// At returns this browser, with its cookies, as it visits another server.
func (b *Browser) At(url string) *Browser { return &Browser{URL: url, Client: b.Client, t: b.t} }

func (b *Browser) parsed() *url.URL {
	b.t.Helper()
	u, err := url.Parse(b.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}
