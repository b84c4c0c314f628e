package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	orders "github.com/holdfast-go/session/override/store"
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
	client, end := serve(sessions, support, &admin.Options{
		Store: store, Values: []admin.Value{admin.ValueOf(company)}, Log: slog.New(slog.DiscardHandler),
	})
	defer end()
	login(sessions, "ada")

	var hers admin.Sessions
	for len(hers.Sessions) == 0 { // the list of her sessions is written in the background
		if hers, err = client.Sessions(ctx, "ada"); err != nil {
			panic(err)
		}
	}
	for _, s := range hers.Sessions {
		one, err := client.Session(ctx, s.ID)
		fmt.Println(one.User, one.Names, string(one.Values["company"]), one.Incomplete, one.Renewed.Equal(one.Began), err)
		ended, err := client.End(ctx, s.ID)
		fmt.Println(ended.Outcome, err)
	}
	// Output:
	// ada [company] "Analytical Engines" false true <nil>
	// durable <nil>
}

// An order that is refused says why, and with which status of HTTP.
func ExampleNewOrder() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	ann := func(*http.Request) (string, admin.Access) { return "ann", admin.MayAct } // yours
	client, end := serve(sessions, ann, nil)                                         // no instance follows orders
	defer end()

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

// The page shows what happened lately, beside the log lines. One Events is for one Manager.
func ExampleEvents() {
	store, ctx := memstore.New(nil), context.Background()
	var events admin.Events
	sessions, err := session.New(store, &session.Options{Hooks: events.Hooks(session.Hooks{})})
	if err != nil {
		panic(err)
	}
	ann := func(*http.Request) (string, admin.Access) { return "ann", admin.MayLook } // yours
	client, end := serve(sessions, ann, &admin.Options{Store: store, Events: &events})
	defer end()

	status, err := client.Status(ctx)
	fmt.Println(status.Events, err)
	// Output: true <nil>
}

// A program that has the store and no page finds the instances.
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
	for len(all) == 0 { // the instance writes its status in the background
		if all, err = admin.Instances(ctx, store); err != nil {
			panic(err)
		}
	}
	fmt.Println(all[0].Name, all[0].Every, all[0].Gone)
	// Output: shop-1 5s false
}

// During planned work on the store the operator on duty has backups serve, from a script,
// and ends that when the work is done.
func ExampleClient_SetOrder() {
	records, ctx := memstore.New(nil), context.Background()
	source, err := orders.New(records, "shop/override", nil)
	if err != nil {
		panic(err)
	}
	follower, err := override.Follow(source, nil)
	if err != nil {
		panic(err)
	}
	defer follower.Close()
	sessions, err := session.New(memstore.New(nil), nil) // the follower is its Switch, beside a Backup
	if err != nil {
		panic(err)
	}
	ann := func(*http.Request) (string, admin.Access) { return "ann", admin.MayAct } // yours
	client, end := serve(sessions, ann, &admin.Options{
		Order: follower.Order, Orders: source, Log: slog.New(slog.DiscardHandler),
	})
	defer end()

	status, err := client.Status(ctx)
	if err != nil || !status.Orders {
		panic("no order can be given there")
	}
	stands, err := client.SetOrder(ctx, admin.NewOrder{
		Mode: "backup-only", Shard: "redis-1:6379", Lease: "4h", For: "2h", Reason: "new disks",
	})
	fmt.Println(stands.Mode, stands.Shard, stands.Lease, stands.By, err)
	fmt.Println(client.ClearOrder(ctx, "the disks are in"))
	// Output:
	// backup-only redis-1:6379 4h0m0s ann: new disks <nil>
	// <nil>
}

// A log collector reads what happens at an instance, for as long as it likes.
func ExampleClient_Events() {
	store, ctx := memstore.New(nil), context.Background()
	var events admin.Events
	sessions, err := session.New(store, &session.Options{Hooks: events.Hooks(session.Hooks{})})
	if err != nil {
		panic(err)
	}
	client, end := serve(sessions, looks, &admin.Options{Events: &events})
	defer end()
	login(sessions, "ada")

	for e, err := range client.Events(ctx) {
		if err != nil {
			panic(err)
		}
		switch {
		case e.Kind == "login":
			fmt.Println(e.Number, !e.At.IsZero(), e.User, "has logged in, as session", len(e.Session), "digits long")
			return
		case e.Shard != "":
			fmt.Println("shard", e.Shard, "is", e.Kind, e.Detail, "and", e.Unseen, "times more")
		}
	}
	// Output: 1 true ada has logged in, as session 32 digits long
}

// serve opens the page of a Manager on a server, and returns a client of it. end closes both.
func serve(sessions *session.Manager, allow func(*http.Request) (string, admin.Access), o *admin.Options) (client *admin.Client, end func()) {
	page, err := admin.New(sessions, allow, o)
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(page)
	return &admin.Client{URL: server.URL}, func() {
		server.Close()
		_ = page.Close(context.Background())
	}
}

// looks is the check of a page that every visitor may read.
func looks(*http.Request) (string, admin.Access) { return "lou", admin.MayLook }

// login begins a session of a user.
func login(sessions *session.Manager, user string) {
	handler := sessions.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser(user)
		company.Set(s, "Analytical Engines")
	})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil))
}

// A screen in the office shows the instances of a busy site, which write their status twice
// a minute. It may end nothing, whoever stands before it.
func ExampleOptions() {
	store, ctx := memstore.New(nil), context.Background()
	sessions, err := session.New(store, nil)
	if err != nil {
		panic(err)
	}
	ann := func(*http.Request) (string, admin.Access) { return "ann", admin.MayAct } // yours
	client, end := serve(sessions, ann, &admin.Options{Store: store, Every: 30 * time.Second, ReadOnly: true,
		Log: slog.New(slog.DiscardHandler)})
	defer end()

	var status admin.Status
	for status.Read.IsZero() { // the page reads the others' status in the background
		if status, err = client.Status(ctx); err != nil {
			panic(err)
		}
	}
	one := status.Instances[0]
	fmt.Println(status.MayAct, one.Every, !one.Started.After(status.Now))
	_, err = client.EndUser(ctx, "ada")
	fmt.Println(err)
	// Output:
	// false 30s true
	// the page is read-only (403 Forbidden)
}
