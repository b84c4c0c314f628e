package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// The fields of req.session that Go knows of. All others stay as they are.
var (
	user = session.NewKey[string]("user")
	cart = session.NewKey[map[string]int]("cart")
)

// shop is the part of the site that has moved.
type shop struct {
	profile  *express.Profile
	sessions *session.Manager
	client   rueidis.Client
}

// newShop sets the sessions up as app.js does.
func newShop(redis, secret string) (*shop, error) {
	secrets, err := express.NewSecrets([]byte(secret))
	if err != nil {
		return nil, err
	}
	profile := &express.Profile{
		Secrets: secrets,
		Cookie:  `{"maxAge": 3600000, "sameSite": "lax", "secure": "auto"}`,
	}
	options, err := profile.Options()
	if err != nil {
		return nil, err
	}
	o, err := redisstore.ClientOption(redis)
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	store := redisstore.New(client, redisstore.Raw(), redisstore.Prefix("sess:"))
	sessions, err := session.New(store, options)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &shop{profile, sessions, client}, nil
}

func (s *shop) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.sessions.Close(ctx) // there is no backup that could owe anything
	s.client.Close()
}

func (*shop) cart(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	// A cart that cannot be read is an error: it is not shown as empty, and an
	// empty one is not saved over it.
	items, err := cart.Get(s)
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		session.Error(w, r, err)
		return
	}
	name, err := user.Get(s)
	switch {
	case errors.Is(err, session.ErrNoValue):
		name = "a guest"
	case err != nil:
		session.Error(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>Cart</title><p>This page is Go. The cart of %s:</p><ul>", html.EscapeString(name))
	for _, sku := range slices.Sorted(maps.Keys(items)) {
		fmt.Fprintf(w, "<li>%s: %d</li>", html.EscapeString(sku), items[sku])
	}
	fmt.Fprint(w, `</ul><form method="post" action="/cart/tea"><button>Add tea</button></form><p><a href="/">Home (Express)</a></p>`)
}

func (*shop) add(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	err = cart.Update(s, func(items *map[string]int) error {
		if *items == nil {
			*items = map[string]int{}
		}
		(*items)[r.PathValue("sku")]++
		return nil
	})
	if err != nil {
		session.Error(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther) // the cart is saved before this leaves
}

func (*shop) logout(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	var durability session.Durability
	if err == nil {
		durability, err = s.Destroy(r.Context())
	}
	if err != nil {
		session.Error(w, r, err)
		return
	}
	if durability == session.Pending { // with a Backup, while the store is away
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, "You are logged out in this browser. The session ends in the store, and for Express, when the store is back.")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
