package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

// Cart is what the shop of these examples keeps for a visitor.
type Cart struct{ Items []string }

var cart = session.NewKey[Cart]("cart")

func add(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context()) // loads on the first call; a route that never calls it costs nothing
	if err != nil {                     // neither store nor backup can vouch: session.ErrUnavailable
		session.Error(w, r, err)
		return
	}
	cart.Update(s, func(c *Cart) error { c.Items = append(c.Items, r.PathValue("sku")); return nil })
	http.Redirect(w, r, "/cart", http.StatusSeeOther) // saved before the first byte leaves
}

func show(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	fmt.Fprintln(w, cart.Or(s, Cart{}).Items)
}

func pay(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context()) // Require has loaded it
	cart.Delete(s)
	fmt.Fprintln(w, "thank you")
}

// browse sends requests as a browser does, and returns what the pages say.
func browse(h http.Handler, requests ...string) {
	srv := httptest.NewTLSServer(h)
	defer srv.Close()
	client := srv.Client()
	client.Jar, _ = cookiejar.New(nil)
	for _, request := range requests {
		var method, path string
		fmt.Sscan(request, &method, &path)
		r, _ := http.NewRequest(method, srv.URL+path, nil)
		answer, err := client.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Printf("%s: %d %s", request, answer.StatusCode, body)
	}
}

func Example() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart/{sku}", add)
	mux.HandleFunc("GET /cart", show)

	browse(sessions.Handler(mux), "POST /cart/bread", "POST /cart/olives", "GET /cart")
	// Output:
	// POST /cart/bread: 200 [bread]
	// POST /cart/olives: 200 [bread olives]
	// GET /cart: 200 [bread olives]
}

func ExampleManager() {
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Idle:     20 * time.Minute,
		Lifetime: 12 * time.Hour,
		Hooks:    session.LogHooks(slog.Default()),
	})
	if err != nil {
		panic(err) // names every mistake in the options
	}
	defer sessions.Close(context.Background())

	food := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "[]") }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /food", food)                                                 // no session, no cost
	mux.HandleFunc("GET /cart", sessions.ReadOnlyFunc(show))                          // nothing saved, refreshed or set
	mux.HandleFunc("GET /mine", sessions.RequireFunc(sessions.ReadOnlyFunc(show)))    // 403 without a session
	mux.HandleFunc("POST /cart/{sku}", sessions.HandlerFunc(add))                     // begins one, if need be
	mux.HandleFunc("POST /pay", sessions.RequireFunc(sessions.RequireStoreFunc(pay))) // read past all caches

	browse(mux, "GET /food", "GET /cart", "GET /mine", "POST /cart/bread", "GET /mine", "POST /pay")
	// Output:
	// GET /food: 200 []
	// GET /cart: 200 []
	// GET /mine: 403 session required
	// POST /cart/bread: 200 [bread]
	// GET /mine: 200 [bread]
	// POST /pay: 200 thank you
}

// The store goes away in the middle of a visit, and comes back.
func ExampleBackup() {
	os.Setenv("SESSION_KEYS", "9pUuJk2lmuHh1IQDdnoLN3WWPdIXFlEW6vuLyrU8Zb0=") // openssl rand -base64 32
	store := storetest.NewFaulty(memstore.New(nil))

	keys, err := seal.KeysFromEnv("SESSION_KEYS")
	if err != nil {
		panic(err)
	}
	sessions, err := session.New(store, &session.Options{
		Backup: &session.Backup{Keys: keys, Audience: "shop-production"},
		Hooks:  session.LogHooks(slog.Default()),
	})
	if err != nil {
		panic(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // the store may be away now
		defer cancel()
		if err := sessions.Close(ctx); err != nil { // delivers what the store is owed
			slog.Error("shutdown", "error", err)
		}
	}()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart/{sku}", add)
	mux.HandleFunc("GET /cart", show)
	mux.HandleFunc("POST /kill", func(w http.ResponseWriter, _ *http.Request) {
		store.Fail(errors.New("connection refused"))
		fmt.Fprintln(w, "killed")
	})
	mux.HandleFunc("POST /revive", func(w http.ResponseWriter, _ *http.Request) {
		store.Heal()
		fmt.Fprintln(w, "revived")
	})
	browse(sessions.Handler(mux),
		"POST /cart/bread", "POST /kill", "GET /cart", "POST /cart/olives", "POST /revive", "GET /cart")
	// Output:
	// POST /cart/bread: 200 [bread]
	// POST /kill: 200 killed
	// GET /cart: 200 [bread]
	// POST /cart/olives: 200 [bread olives]
	// POST /revive: 200 revived
	// GET /cart: 200 [bread olives]
}

func ExampleSession_Source() {
	keys, _ := seal.NewKeys(seal.NewKey())
	store := storetest.NewFaulty(memstore.New(nil))
	sessions, err := session.New(store, &session.Options{Backup: &session.Backup{Keys: keys, Audience: "shop-production"}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())

	source := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		fmt.Fprintln(w, s.Source())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart/{sku}", add)
	mux.HandleFunc("GET /cart", show)
	mux.HandleFunc("GET /source", source)
	mux.HandleFunc("POST /pay", sessions.RequireStoreFunc(pay)) // a copy is not enough
	mux.HandleFunc("POST /kill", func(w http.ResponseWriter, _ *http.Request) {
		store.Fail(errors.New("connection refused"))
		fmt.Fprintln(w, "killed")
	})
	browse(sessions.Handler(mux), "GET /source", "POST /cart/bread", "GET /source", "POST /kill", "GET /source", "POST /pay")
	store.Heal()
	// Output:
	// GET /source: 200 nowhere
	// POST /cart/bread: 200 [bread]
	// GET /source: 200 store
	// POST /kill: 200 killed
	// GET /source: 200 backup
	// POST /pay: 503 session unavailable, try again
}

var who = session.NewKey[string]("user")

func login(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if errors.Is(err, session.ErrUnavailable) {
		s, err = session.StartNew(r.Context()) // log in even where the old session cannot be read
	}
	if err != nil {
		session.Error(w, r, err)
		return
	}
	s.Renew() // a token from before the login is worth nothing after it
	who.Set(s, "bob")
	fmt.Fprintln(w, "welcome")
}

func logout(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context()) // Destroy tries even where the store did not answer
	durability, err := s.Destroy(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	if durability == session.Pending { // with a Backup, while the store is away
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, "goodbye; other copies of the session end when the store is back")
		return
	}
	fmt.Fprintln(w, "goodbye")
}

func ExampleSession() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("POST /logout", logout)
	mux.Handle("GET /account", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context()) // Require has loaded it
		fmt.Fprintln(w, "account of", who.Or(s, "nobody"))
	})))

	browse(sessions.Handler(mux), "GET /account", "POST /login", "GET /account", "POST /logout", "GET /account")
	// Output:
	// GET /account: 403 session required
	// POST /login: 200 welcome
	// GET /account: 200 account of bob
	// POST /logout: 200 goodbye
	// GET /account: 403 session required
}

// A logout while the store is away holds in the visitor's browser at once, and waits for the
// store. Destroy tells the two apart, so that a page does not say that a session has ended
// everywhere when it has not.
func ExampleSession_Destroy() {
	keys, _ := seal.NewKeys(seal.NewKey())
	store := storetest.NewFaulty(memstore.New(nil))
	sessions, err := session.New(store, &session.Options{Backup: &session.Backup{Keys: keys, Audience: "shop-production"}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("POST /logout", logout)
	mux.HandleFunc("POST /kill", func(w http.ResponseWriter, _ *http.Request) {
		store.Fail(errors.New("connection refused"))
		fmt.Fprintln(w, "killed")
	})
	browse(sessions.Handler(mux), "POST /login", "POST /logout", "POST /login", "POST /kill", "POST /logout")
	store.Heal()
	// Output:
	// POST /login: 200 welcome
	// POST /logout: 200 goodbye
	// POST /login: 200 welcome
	// POST /kill: 200 killed
	// POST /logout: 202 goodbye; other copies of the session end when the store is back
}

// A login that the session itself remembers, and a page that asks for the password again
// where the last login is older than five minutes.
func ExampleSession_SetUser() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		s.SetUser("ann") // whose password was right. It renews the session too
		fmt.Fprintln(w, "welcome")
	})
	mux.HandleFunc("GET /password", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if time.Since(s.LoggedIn()) > 5*time.Minute {
			http.Error(w, "log in again", http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "the new password of", s.User())
	})
	browse(sessions.Handler(mux), "GET /password", "POST /login", "GET /password")
	// Output:
	// GET /password: 403 log in again
	// POST /login: 200 welcome
	// GET /password: 200 the new password of ann
}

// Middleware that exchanges a token after an hour, so that one which was stolen
// is of use for an hour at most. It stands on routes that need the session
// anyway. The requests of one page may all find the token old: they are answered.
func ExampleSession_Rotate() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	hourly := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.From(r.Context()); err == nil && time.Since(s.Issued()) > time.Hour {
				s.Rotate()
			}
			next.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.Handle("GET /account", sessions.Require(hourly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, "account of", who.Or(s, "nobody"))
	}))))
	browse(sessions.Handler(mux), "POST /login", "GET /account")
	// Output:
	// POST /login: 200 welcome
	// GET /account: 200 account of bob
}

// A stream or a websocket outlives the header of its response: Reload shows
// what other requests wrote, and Save writes.
func ExampleSession_Reload() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	stream := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		cart.Set(s, Cart{Items: []string{"bread"}})
		http.NewResponseController(w).Flush() // the header is on its way, and with it the cookie
		for {
			if err := s.Reload(r.Context()); err != nil {
				fmt.Fprintln(w, err)
				return
			}
			fmt.Fprintln(w, cart.Or(s, Cart{}).Items)
			if d, err := sessions.Revoke(r.Context(), s.ID()); err != nil || d != session.Durable { // an operator logs the visitor out
				fmt.Fprintln(w, d, err)
				return
			}
		}
	}
	browse(sessions.HandlerFunc(stream), "GET /events")
	// Output:
	// GET /events: 200 [bread]
	// session: no session
}

// Two requests of one visitor that update one key at once both count: the
// function runs again on what the other one saved.
func ExampleKey_Update() {
	views := session.NewKey[int]("views")
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	browse(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		views.Update(s, func(n *int) error { *n++; return nil })
		fmt.Fprintln(w, views.Or(s, 0))
	})), "GET /", "GET /", "GET /")
	// Output:
	// GET /: 200 1
	// GET /: 200 2
	// GET /: 200 3
}

func ExampleKey_Take() {
	notice := session.NewKey[string]("notice")
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	browse(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if text, err := notice.Take(s); err == nil {
			fmt.Fprintln(w, text)
			return
		}
		notice.Set(s, "your order is on its way")
		fmt.Fprintln(w, "thank you")
	})), "GET /", "GET /")
	// Output:
	// GET /: 200 thank you
	// GET /: 200 your order is on its way
}

// A framework that is not built on net/http gives Load the request's header,
// and sends what Commit puts into the other one.
func ExampleManager_Load() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	serve := func(in, out http.Header) {
		s := sessions.Load(ctx, in)
		err := s.Err()
		if err != nil {
			fmt.Println(err)
			return
		}
		cart.Update(s, func(c *Cart) error { c.Items = append(c.Items, "bread"); return nil })
		if err := sessions.Commit(ctx, s, out); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(cart.Or(s, Cart{}).Items, "cookie sent:", out.Get("Set-Cookie") != "")
	}
	in, out := http.Header{}, http.Header{}
	serve(in, out)
	cookie, _ := http.ParseSetCookie(out.Get("Set-Cookie"))
	in.Set("Cookie", cookie.Name+"="+cookie.Value)
	serve(in, http.Header{})
	// Output:
	// [bread] cookie sent: true
	// [bread bread] cookie sent: false
}

// An API client sends the token in a header, and has no cookies.
func ExampleOptions_header() {
	sessions, err := session.New(memstore.New(nil), &session.Options{Header: "X-Session"})
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	sessions.HandlerFunc(login)(w, r)
	fmt.Println(len(w.Header().Get("X-Session")), "characters,", len(w.Result().Cookies()), "cookies")
	// Output: 43 characters, 0 cookies
}

// The stores that can tell what they hold let an operator end all sessions.
func ExampleLister() {
	store := memstore.New(nil)
	sessions, err := session.New(store, nil)
	if err != nil {
		panic(err)
	}
	h := sessions.HandlerFunc(login)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil))

	ctx := context.Background()
	ended := map[session.Durability]int{}
	for id, err := range store.List(ctx) {
		var d session.Durability
		if err == nil {
			d, err = sessions.Revoke(ctx, id)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		ended[d]++
	}
	fmt.Println(ended[session.Durable], "visitors logged out,", ended[session.Pending], "as soon as the store is back")
	// Output: 2 visitors logged out, 0 as soon as the store is back
}

func ExampleLogHooks() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "after" {
				return slog.Attr{}
			}
			return a
		},
	}))
	hooks := session.LogHooks(log)
	var conflicts atomic.Int64
	hooks.Conflict = func(context.Context, session.ID, int) { conflicts.Add(1) } // count these, too

	ctx, refused := context.Background(), errors.New("connection refused")
	hooks.Down(ctx, "cache-1", refused)
	hooks.StillDown(ctx, session.Outage{Shard: "cache-1", Duration: time.Minute, Backup: true, Err: refused, States: 41, Tombstones: 1})
	hooks.Up(ctx, session.Outage{Shard: "cache-1", Duration: 90 * time.Second, States: 2, Delivered: 39, Lost: 1})
	hooks.Settled(ctx, session.Outage{Shard: "cache-1", Delivered: 41, Lost: 1})
	// Output:
	// level=WARN msg="session store is away" shard=cache-1 error="connection refused"
	// level=WARN msg="session store is still away" shard=cache-1 delivered=0 lost=0 waiting=42 error="connection refused"
	// level=INFO msg="session store is back" shard=cache-1 delivered=39 lost=1 waiting=2
	// level=INFO msg="session store has what it was owed" shard=cache-1 delivered=41 lost=1 waiting=0
}

// A process that a proxy on 10.0.0.7 serves over TLS, and the local network over plain http.
func ExampleTLSBehind() {
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Cookie: session.Cookie{Secure: session.TLSBehind(netip.MustParsePrefix("10.0.0.7/32"))},
	})
	if err != nil {
		panic(err)
	}
	h := sessions.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ada")
	})
	for _, from := range []string{"10.0.0.7:40000", "192.168.1.20:50000"} {
		r := httptest.NewRequest(http.MethodPost, "/login", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-Proto", "https") // which only the proxy is believed
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		c := w.Result().Cookies()[0]
		fmt.Println(c.Name, c.Secure)
	}
	// Output:
	// __Host-session true
	// session false
}
