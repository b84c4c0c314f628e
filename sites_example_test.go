package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// A gateway keeps the visitor's session to itself, and hands the request on without it.
func ExampleManager_StripCookies() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the backend gets %q", r.Header.Get("Cookie"))
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		panic(err)
	}
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	gateway := sessions.Handler(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		sessions.StripCookies(p.Out)
	}})

	r := httptest.NewRequest(http.MethodGet, "https://shop.example/", http.NoBody)
	r.Header.Set("Cookie", "theme=dark; __Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	w := httptest.NewRecorder()
	gateway.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: the backend gets "theme=dark"
}

// A widget that other sites show in a frame has a session of its own in each of them.
func ExampleCookie_partitioned() {
	_, err := session.New(memstore.New(nil), &session.Options{
		Cookie: session.Cookie{SameSite: http.SameSiteNoneMode, Partitioned: true},
		Hooks: session.Hooks{PlainHTTP: func(_ context.Context, host string) {
			fmt.Println("serve https at", host)
		}},
	})
	if err != nil {
		panic(err)
	}
}
