package admin_test

import (
	"context"
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
