package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"net/http"
	"path"
	"time"
)

// serveAssets adds what the pages load. Browsers keep it, and ask each time
// whether it is still the same.
func serveAssets(mux *http.ServeMux) {
	for route, file := range map[string]string{
		"/shop.css":    "web/shop.css",
		"/shop.js":     "web/shop.js",
		"/favicon.svg": "web/favicon.svg",
		"/favicon.ico": "web/favicon.svg", // for answers that are no page of the shop's
	} {
		content, err := web.ReadFile(file)
		if err != nil {
			panic(err) // go:embed has it, or the shop would not build
		}
		kind, tag := mime.TypeByExtension(path.Ext(file)), fmt.Sprintf(`"%x"`, sha256.Sum256(content))
		mux.HandleFunc("GET "+route, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("ETag", tag)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		})
	}
}
