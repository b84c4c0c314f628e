package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// routes is the whole of the move: what has a line here is Go's, and all else is
// still that of Express. To move a route is to write its line; to take it back is
// to delete it.
func routes(s *shop, express *url.URL) http.Handler {
	moved := http.NewServeMux()
	moved.HandleFunc("GET /cart", s.cart)
	moved.HandleFunc("POST /cart/{sku}", s.add)
	moved.HandleFunc("POST /logout", s.logout)

	site := http.NewServeMux()
	for _, pattern := range []string{"/cart", "/cart/", "/logout"} {
		site.Handle(pattern, s.profile.Handler(s.sessions, moved))
	}
	site.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(express)
		r.Out.Host = r.In.Host
		r.SetXForwarded() // Express believes X-Forwarded-Proto of a loopback address
	}})
	return site
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", addr)
}
