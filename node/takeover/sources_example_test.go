package takeover_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/cookiesession"
	"github.com/holdfast-go/session/node/doublebackup"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/keygrip"
	"github.com/holdfast-go/session/node/koa"
	"github.com/holdfast-go/session/node/takeover"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

// The old site has used cookie-session, with
//
//	cookieSession({ keys: ['key of summer'], domain: 'shop.test', path: '/account' })
//
// All sessions from before it changed its passwords are refused.
func ExampleCookieSession() {
	source := takeover.CookieSession("session", oldKeys())
	source.Domain = "shop.test"
	source.Path = "/account"
	source.Accept = func(_ *http.Request, f *fields.Fields) bool {
		since, _ := f.Get("since")
		var year int
		return json.Unmarshal(since, &year) == nil && year >= 2025
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{Adopt: source.Adopt()})
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{`{"user":"bob","since":2026}`, `{"user":"eve","since":2019}`} {
		old, err := fields.Parse([]byte(text))
		if err != nil {
			log.Fatal(err)
		}
		w := visit(sessions.Handler(hello), http.MethodGet, "/", signedCookie("session", cookiesession.Encode(old)))
		fmt.Println(w.Body)
		for _, c := range w.Result().Cookies() {
			if c.MaxAge < 0 {
				fmt.Println("deleted:", c.Name, c.Domain, c.Path)
			}
		}
	}
	// Output:
	// hello bob
	// deleted: session shop.test /account
	// deleted: session.sig shop.test /account
	// hello nobody
}

// The store is away when the first visitors of the old site come. This site would
// rather believe their cookies than answer 503.
func ExampleSource_WhenAway() {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		log.Fatal(err)
	}
	store := storetest.NewFaulty(memstore.New(nil))
	source := takeover.Koa("koa.sess", oldKeys())
	sessions, err := session.New(store, &session.Options{Adopt: source.Adopt(), Backup: &session.Backup{Keys: keys, Audience: "shop-production"}})
	if err != nil {
		log.Fatal(err)
	}
	old := koa.NewSession(time.Hour, false)
	if err := old.Fields.Set("user", json.RawMessage(`"bob"`)); err != nil {
		log.Fatal(err)
	}
	cookie := signedCookie("koa.sess", old.Encode(time.Now()))

	store.Fail(errors.New("connection refused"))
	fmt.Println(visit(sessions.Handler(hello), http.MethodGet, "/", cookie).Code)
	fmt.Println(visit(source.WhenAway(sessions, hello), http.MethodGet, "/", cookie).Body)
	// Output:
	// 503
	// hello bob
}

// A site that does not take sessions over by itself asks the visitors first: it reads
// the old cookie, and fills a session when they say yes.
func ExampleSource_Read() {
	codec, err := clientsessions.New(clientsessions.Options{Name: "backup", Secret: []byte("the old site's secret")})
	if err != nil {
		log.Fatal(err)
	}
	source := takeover.DoubleBackup(codec)
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if old, err := source.Read(r); err == nil {
			name, _ := old.Get("user")
			fmt.Fprintf(w, "Are you still %s?", name)
		}
	})
	mux.HandleFunc("POST /yes", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		old, err := source.Read(r)
		if err != nil {
			http.Error(w, "no old session", http.StatusBadRequest)
			return
		}
		if err := takeover.Fill(s, old); err != nil {
			session.Error(w, r, err)
			return
		}
		s.Renew()
		hello(w, r)
	})

	cookie, err := express.NewCookie(nil, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	record := express.NewRecord(cookie)
	if err := record.Set("user", json.RawMessage(`"bob"`)); err != nil {
		log.Fatal(err)
	}
	box, err := doublebackup.Box(codec, record, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	value, err := codec.Encode(box)
	if err != nil {
		log.Fatal(err)
	}
	for _, route := range []string{"GET /", "POST /yes"} {
		method, path, _ := strings.Cut(route, " ")
		fmt.Println(visit(sessions.Handler(mux), method, path, "backup="+value).Body)
	}
	// Output:
	// Are you still "bob"?
	// hello bob
}

// hello is a handler of the new site.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	name := user.Or(s, "nobody")
	if err := s.Err(); err != nil {
		session.Error(w, r, err)
		return
	}
	fmt.Fprint(w, "hello ", name)
})

// visit returns the answer to a request with a Cookie header.
func visit(h http.Handler, method, path, cookie string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func oldKeys() *keygrip.Keys {
	keys, err := keygrip.New([][]byte{[]byte("key of summer")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return keys
}

// signedCookie returns the Cookie header of a cookie of the old site.
func signedCookie(name, value string) string {
	return name + "=" + value + "; " + name + ".sig=" + oldKeys().Sign(name+"="+value)
}
