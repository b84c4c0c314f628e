package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
)

var company = session.NewKey[string]("company")

func Example() {
	store := memstore.New(nil)
	var events admin.Events
	sessions, err := session.New(store, &session.Options{
		Hooks: events.Hooks(session.LogHooks(slog.New(slog.DiscardHandler))),
	})
	if err != nil {
		panic(err)
	}
	// A proxy that this server trusts has checked who it is.
	operator := func(r *http.Request) (string, admin.Access) {
		switch name := r.Header.Get("X-Operator"); name {
		case "ann":
			return name, admin.MayAct
		case "lou":
			return name, admin.MayLook
		}
		return "", admin.Denied
	}
	page, err := admin.New(sessions, operator, &admin.Options{
		Store:  store,
		Events: &events,
		Hosts:  []string{"ops.shop.example"},
		Values: []admin.Value{admin.ValueOf(company)},
	})
	if err != nil {
		panic(err)
	}
	defer page.Close(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", page))
	server := httptest.NewServer(mux)
	defer server.Close()

	client := admin.Client{URL: server.URL + "/admin", Authorize: func(r *http.Request) { r.Header.Set("X-Operator", "lou") }}
	status, err := client.Status(context.Background())
	fmt.Println(status.By, status.MayAct, len(status.Instances), err)
	_, err = client.EndUser(context.Background(), "ada")
	fmt.Println(err)
	// Output:
	// lou false 1 <nil>
	// you may look, and not act (403 Forbidden)
}

// The page of a site whose operators come through a proxy, and give orders on it.
func ExampleNew() {
	store, mux := memstore.New(nil), http.NewServeMux()
	operator := func(*http.Request) (string, admin.Access) { return "", admin.Denied } // yours
	var source interface {                                                             // that of package override/etcd, say
		override.Source
		override.Writer
	}
	follower, err := override.Follow(source, nil)
	if err != nil {
		panic(err)
	}
	defer follower.Close()

	var events admin.Events
	sessions, err := session.New(store, &session.Options{Hooks: events.Hooks(session.LogHooks(slog.Default()))})
	if err != nil {
		panic(err)
	}
	page, err := admin.New(sessions, operator, &admin.Options{
		Store: store, Events: &events, Order: follower.Order, Orders: source, Hosts: []string{"ops.shop.example"},
	})
	if err != nil {
		panic(err)
	}
	defer page.Close(context.Background())
	mux.Handle("/admin/", http.StripPrefix("/admin", page))
}

// A tool for the support desk shows whose sessions there are, and ends one.
func ExampleClient() {
	store, ctx := memstore.New(nil), context.Background()
	sessions, err := session.New(store, nil)
	if err != nil {
		panic(err)
	}
	support := func(*http.Request) (string, admin.Access) { return "support", admin.MayAct } // yours
	page, err := admin.New(sessions, support, &admin.Options{
		Store: store, Values: []admin.Value{admin.ValueOf(company)}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	defer page.Close(ctx)
	server := httptest.NewServer(page)
	defer server.Close()
	login := sessions.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ada")
		company.Set(s, "Analytical Engines")
	})
	login.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil))

	client := admin.Client{URL: server.URL}
	hers, err := client.Sessions(ctx, "ada")
	if err != nil {
		panic(err)
	}
	for _, s := range hers.Sessions {
		one, err := client.Session(ctx, s.ID)
		fmt.Println(one.User, one.Names, string(one.Values["company"]), one.Incomplete, err)
		ended, err := client.End(ctx, s.ID)
		fmt.Println(ended.Outcome, err)
	}
	// Output:
	// ada [company] "Analytical Engines" false <nil>
	// durable <nil>
}

// An order that is refused says why, and with which status of HTTP.
func ExampleNewOrder() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	ann := func(*http.Request) (string, admin.Access) { return "ann", admin.MayAct } // yours
	page, err := admin.New(sessions, ann, nil)                                       // nobody follows orders
	if err != nil {
		panic(err)
	}
	defer page.Close(context.Background())
	server := httptest.NewServer(page)
	defer server.Close()

	client := admin.Client{URL: server.URL}
	order := admin.NewOrder{Mode: "backup-only", For: "30m", Reason: "the store is slow"}
	stands, err := client.SetOrder(context.Background(), order)
	var refusal *admin.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Message)
	}
	fmt.Println(stands.Mode == "", errors.Is(err, errors.ErrUnsupported))
	// Output:
	// 501 orders cannot be given here; set Options.Orders, to a source that can be written
	// true true
}

// What happened lately, beside the log lines. One Events is for one Manager.
func ExampleEvents() {
	store, ctx := memstore.New(nil), context.Background()
	var events admin.Events
	sessions, err := session.New(store, &session.Options{Hooks: events.Hooks(session.Hooks{})})
	if err != nil {
		panic(err)
	}
	ann := func(*http.Request) (string, admin.Access) { return "ann", admin.MayLook } // yours
	page, err := admin.New(sessions, ann, &admin.Options{Store: store, Events: &events})
	if err != nil {
		panic(err)
	}
	defer page.Close(ctx)
	server := httptest.NewServer(page)
	defer server.Close()

	status, err := (&admin.Client{URL: server.URL}).Status(ctx)
	fmt.Println(status.Events, err)
	// Output: true <nil>
}

// Which instances there are, for a program that has the store and no page.
func ExampleInstance() {
	store, ctx := memstore.New(nil), context.Background()
	sessions, err := session.New(store, nil)
	if err != nil {
		panic(err)
	}
	nobody := func(*http.Request) (string, admin.Access) { return "", admin.Denied }
	page, err := admin.New(sessions, nobody, &admin.Options{Store: store, Name: "shop-1"})
	if err != nil {
		panic(err)
	}
	defer page.Close(ctx)

	var all []admin.Instance
	for len(all) == 0 { // it leaves word in the background
		if all, err = admin.Instances(ctx, store); err != nil {
			panic(err)
		}
	}
	fmt.Println(all[0].Name, all[0].Every, all[0].Gone)
	// Output: shop-1 5s false
}
