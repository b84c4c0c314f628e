package scsbridge_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	scs "github.com/holdfast-go/session/scsbridge"
)

// Handlers that were written for scs stay as they are; what sets the sessions up is new.
func Example() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())
	manager := scs.New(sessions, nil)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := manager.RenewToken(r.Context()); err != nil {
			http.Error(w, err.Error(), session.Status(err))
			return
		}
		manager.Put(r.Context(), "user", "ann")
		manager.Put(r.Context(), "flash", "Welcome!")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, manager.GetString(r.Context(), "user"), manager.PopString(r.Context(), "flash"))
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := manager.Destroy(r.Context()); err != nil {
			http.Error(w, err.Error(), session.Status(err))
		}
	})
	server := httptest.NewTLSServer(manager.LoadAndSave(mux))
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)

	for _, path := range []string{"POST /login", "GET /", "GET /", "POST /logout", "GET /"} {
		fmt.Printf("%s: %q\n", path, send(browser, server.URL, path))
	}
	// Output:
	// POST /login: ""
	// GET /: "ann Welcome!"
	// GET /: "ann"
	// POST /logout: ""
	// GET /: ""
}

// The program sets the sessions up where scs did.
func ExampleNew() {
	store := memstore.New(nil)
	sessions, err := session.New(store, &session.Options{Idle: 20 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	sessionManager := scs.New(sessions, nil) // and LoadAndSave around the handlers, as before
	fmt.Println(sessionManager.Manager() == sessions)
	// Output: true
}

// A key of scs may be kept out of the sealed copies, and may have a rank of its own.
func ExampleOptions() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())
	manager := scs.New(sessions, &scs.Options{Key: func(key string) []session.KeyOption {
		if key == "card" {
			return []session.KeyOption{session.ServerOnly()}
		}
		return nil
	}})
	visit(manager, func(ctx context.Context) {
		manager.Put(ctx, "card", "4711")
		fmt.Println(manager.Exists(ctx, "card"), manager.Keys(ctx))
	})
	// Output: true [card]
}

// The typed forms of Get and Pop return the zero value for what is absent or of another type.
func ExampleSessionManager() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())
	m := scs.New(sessions, nil)
	opened := time.Date(2026, time.May, 4, 9, 0, 0, 0, time.UTC)
	visit(m, func(ctx context.Context) {
		m.Put(ctx, "vip", true)
		m.Put(ctx, "items", 3)
		m.Put(ctx, "total", int64(1250))
		m.Put(ctx, "table", int32(7))
		m.Put(ctx, "tip", 1.5)
		m.Put(ctx, "token", []byte("abc"))
		m.Put(ctx, "opened", opened)

		fmt.Println(m.Get(ctx, "items"), m.GetBool(ctx, "vip"), m.GetInt(ctx, "items"), m.GetInt64(ctx, "total"))
		fmt.Println(m.GetInt32(ctx, "table"), m.GetFloat(ctx, "tip"), string(m.GetBytes(ctx, "token")))
		fmt.Println(m.GetTime(ctx, "opened").Equal(opened), m.GetInt(ctx, "nothing"))

		fmt.Println(m.Pop(ctx, "total"), m.PopBool(ctx, "vip"), m.PopInt(ctx, "items"), m.PopFloat(ctx, "tip"))
		fmt.Println(string(m.PopBytes(ctx, "token")), m.PopTime(ctx, "opened").Equal(opened))

		m.Remove(ctx, "table")
		m.Put(ctx, "last", "x")
		fmt.Println(m.Keys(ctx))
		fmt.Println(m.Clear(ctx), m.Keys(ctx))
	})
	// Output:
	// 3 true 3 1250
	// 7 1.5 abc
	// true 0
	// 1250 true 3 1.5
	// abc true
	// [last]
	// <nil> []
}

// visit runs a handler in one request.
func visit(m *scs.SessionManager, handler func(ctx context.Context)) {
	h := m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handler(r.Context()) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

// send sends a request, such as "GET /", and returns the body of the answer.
func send(client *http.Client, url, request string) string {
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, url+path, nil)
	if err != nil {
		panic(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(body))
}
