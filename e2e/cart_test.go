package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/seal"
)

var things = session.NewKey[int]("things")

// cartSite has a cart that is filled in every way that a page has.
type cartSite struct {
	*httptest.Server
	store *memcachedtest.Server
	runs  atomic.Int64  // of handlers that fill the cart
	began chan struct{} // by a handler that then waits
	goOn  chan struct{}
}

const cartPage = `<!DOCTYPE html><title>Cart</title><p><output id="cart">%d</output> things of <output id="who">%s</output>, from %v
<form id="add" method="post" action="/add"></form>
<form id="slow" method="post" action="/add?waits=1"></form>
<form id="upload" method="post" action="/upload" enctype="multipart/form-data"><input type="file" name="file"></form>
<a id="next" href="/?next">next</a>
<script>
var ticks = 0, errors = 0, calls = '';
function listen() {
	const events = new EventSource('/events');
	events.onmessage = (e) => { ticks++; document.title = e.data; };
	events.onerror = () => { errors++; };
}
async function fill(n) {
	const all = await Promise.all(Array.from({length: n}, () => fetch('/add', {method: 'POST', redirect: 'error', headers: {Accept: 'application/json'}})));
	calls = all.map((a) => a.status + (a.redirected ? ' redirected' : '')).join();
}
function upload(size) {
	const files = new DataTransfer();
	files.items.add(new File([new Uint8Array(size)], 'bread.bin'));
	document.querySelector('[name=file]').files = files.files;
	document.getElementById('upload').requestSubmit();
}
</script>`

func startCartSite(t *testing.T) *cartSite {
	t.Helper()
	c := &cartSite{store: memcachedtest.Start(t), began: make(chan struct{}, 1), goOn: make(chan struct{})}
	client, err := memcached.New([]memcached.Server{{Addr: c.store.Addr}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(memcachedstore.New(client), &session.Options{
		Cookie: session.Cookie{Insecure: true},
		Backup: &session.Backup{Keys: keys, Audience: "e2e"},
		// A busy machine is no outage: a store that is killed refuses, and no call waits.
		ReadTimeout: 5 * time.Second, SaveTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sessions.Close(t.Context()) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.show)
	mux.Handle("POST /add", sessions.Require(http.HandlerFunc(c.add)))
	mux.Handle("POST /upload", sessions.Require(http.HandlerFunc(c.upload)))
	mux.Handle("GET /events", sessions.Require(http.HandlerFunc(c.events)))
	c.Server = httptest.NewServer(sessions.Handler(mux))
	t.Cleanup(c.Close)
	t.Cleanup(c.CloseClientConnections) // event streams
	return c
}

func (c *cartSite) show(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	if name := r.FormValue("login"); name != "" {
		s.Renew()
		who.Set(s, name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, cartPage, things.Or(s, 0), who.Or(s, "nobody"), s.Source())
}

func (c *cartSite) add(w http.ResponseWriter, r *http.Request) {
	c.runs.Add(1)
	s, _ := session.From(r.Context())
	if r.FormValue("waits") != "" {
		_ = who.Or(s, "") // it is loaded, and the store goes away afterwards
		c.began <- struct{}{}
		<-c.goOn
	}
	if err := things.Update(s, func(n *int) error { *n++; return nil }); err != nil {
		session.Error(w, r, err)
		return
	}
	if r.Header.Get("Accept") == "application/json" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *cartSite) upload(w http.ResponseWriter, r *http.Request) {
	c.runs.Add(1)
	file, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := io.Copy(io.Discard, file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s, _ := session.From(r.Context())
	if err := things.Update(s, func(n *int) error { *n++; return nil }); err != nil {
		session.Error(w, r, err)
		return
	}
	fmt.Fprintf(w, "%d bytes for %s", n, who.Or(s, "nobody"))
}

// events sends whose session it is until the client leaves.
func (c *cartSite) events(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context())
	w.Header().Set("Content-Type", "text/event-stream")
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", who.Or(s, "nobody")); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
