package memcached_test

import (
	"context"
	"crypto"
	_ "crypto/sha1" // of the ring
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/holdfast-go/session/memcached"
)

func Example() {
	client, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	item := memcached.Item{Value: []byte("apples"), Expires: time.Now().Add(time.Hour)}
	token, err := client.Set(ctx, "example:cart", item)
	if err != nil {
		fmt.Println(err)
		return
	}

	// The Token of the last write serves the next: no read in between.
	item.Value = []byte("apples, pears")
	if _, err := client.CompareAndSet(ctx, "example:cart", item, token); err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.CompareAndSet(ctx, "example:cart", item, token)
	fmt.Println(err)

	got, err := client.Get(ctx, "example:cart")
	fmt.Printf("%s %v\n", got.Value, err)
	// Output:
	// memcached: item has another CAS
	// apples, pears <nil>
}

func ExampleNodeError() {
	// Nothing listens on port 1.
	client, err := memcached.New(memcached.Servers("127.0.0.1:1"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	_, err = client.Set(context.Background(), "key", memcached.Item{})
	var away *memcached.NodeError
	if errors.As(err, &away) {
		fmt.Println("away:", away.Node, "may have happened:", away.Sent)
	}
	// Output: away: 127.0.0.1:1 may have happened: false
}

func ExampleServerError() {
	err := error(&memcached.NodeError{
		Node: "10.0.0.1:11211", Sent: true,
		Err: &memcached.ServerError{Line: "SERVER_ERROR out of memory storing object"},
	})
	var answer *memcached.ServerError
	fmt.Println(errors.As(err, &answer), answer.Line)
	// Output: true SERVER_ERROR out of memory storing object
}

func ExampleOptions() {
	client, err := memcached.New(memcached.Servers(addr), &memcached.Options{
		Auth:    memcached.Auth{User: "shop", Password: "secret"}, // for servers that ask, over loopback
		Timeout: 500 * time.Millisecond,
		Queue:   1000,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	_, err = client.Get(context.Background(), "example:nothing")
	fmt.Println(err == memcached.ErrMiss)
	// Output: true
}

func ExampleClient_SetServers() {
	client, err := memcached.New(memcached.Servers("10.0.0.1", "10.0.0.2", "10.0.0.3"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	moved, err := client.SetServers(memcached.Servers("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"))
	fmt.Printf("%.0f%% of the keys move, %v\n", 100*moved, err)

	// A server that replaces another under its label takes over its keys, and
	// no others.
	moved, err = client.SetServers([]memcached.Server{
		{Addr: "10.0.0.1"}, {Addr: "10.0.0.2"}, {Addr: "10.0.0.3"},
		{Addr: "10.0.0.9", Label: "10.0.0.4"},
	})
	fmt.Printf("%.0f%% of the keys move, %v\n", 100*moved, err)
	// Output:
	// 25% of the keys move, <nil>
	// 25% of the keys move, <nil>
}

func ExampleClient_Probe() {
	client, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	for _, node := range client.Nodes() {
		before, err := client.Probe(context.Background(), node)
		if err != nil {
			fmt.Println(err)
			return
		}
		after, err := client.Probe(context.Background(), node)
		fmt.Println("restarted:", before != after, err)
	}
	// Output: restarted: false <nil>
}

func ExampleRing() {
	ring, err := memcached.NewRing([]memcached.Server{
		{Addr: "10.0.0.1:11211", Weight: 1},
		{Addr: "10.0.0.2:11211", Weight: 2},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring.Server("sess:apple"))
	// Output: 10.0.0.2:11211
}

func ExampleHashKey() {
	fmt.Println(memcached.HashKey("a key with blanks"))
	// Output: sha256:c6d135b92cd6cde3cbbb59656b69aea966c46d14c39a761e9938a531397276c3
}

// An item lives on for as long as callers ask for it.
func ExampleClient_GetAndTouch() {
	client, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	item := memcached.Item{Value: []byte("apples"), Expires: time.Now().Add(time.Minute)}
	if _, err := client.Set(ctx, "example:touched", item); err != nil {
		fmt.Println(err)
		return
	}
	got, err := client.GetAndTouch(ctx, "example:touched", time.Now().Add(time.Hour))
	fmt.Println(string(got.Value), err)
	fmt.Println(client.Touch(ctx, "example:touched", time.Now().Add(time.Hour))) // without the value
	fmt.Println(client.Touch(ctx, "example:nothing", time.Now().Add(time.Hour)))
	// Output:
	// apples <nil>
	// <nil>
	// memcached: no such item
}

// A caller tells apart a server that is too busy, a client that was closed, and something else
// that answers at the address.
func ExampleClient() {
	client, err := memcached.New(memcached.Servers(addr), &memcached.Options{Queue: 100, Conns: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Close()
	_, err = client.Get(context.Background(), "example:cart")
	switch {
	case err == nil, errors.Is(err, memcached.ErrMiss):
	case errors.Is(err, memcached.ErrBusy):
		fmt.Println("nothing was sent: say 503")
	case errors.Is(err, memcached.ErrNotMeta):
		fmt.Println("wake somebody: that is no memcached, or an old one")
	case errors.Is(err, memcached.ErrClosed):
		fmt.Println("this program ends")
	}
	// Output: this program ends
}

// The servers are in another data center, behind TLS and a tunnel of one's own.
func ExampleOptions_tls() {
	tunnel := func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address) // yours
	}
	client, err := memcached.New(memcached.Servers("cache.shop.test:11212"), &memcached.Options{
		TLS:  &tls.Config{MinVersion: tls.VersionTLS13},
		Dial: tunnel,
	})
	fmt.Println(client.Nodes(), err)
	client.Close()

	// Without TLS a password goes to no server that the network can listen to.
	password := memcached.Options{Auth: memcached.Auth{User: "shop", Password: "secret"}}
	_, err = memcached.New(memcached.Servers("10.8.0.1"), &password)
	fmt.Println(err != nil)
	password.InsecureAuthInClearText = true // a VPN encrypts
	client, err = memcached.New(memcached.Servers("10.8.0.1"), &password)
	fmt.Println(err)
	client.Close()
	// Output:
	// [cache.shop.test:11212] <nil>
	// true
	// <nil>
}

// The Node client of the site says
//
//	new Memcached({ '10.0.0.1:11211': 1, '10.0.0.2:11211': { vnodes: 80 } }, { algorithm: 'sha1', compatibility: 'hash_ring' })
//
// With another ring Go would look for most keys on the wrong server.
func ExampleRingOptions() {
	servers := []memcached.Server{{Addr: "10.0.0.1:11211"}, {Addr: "10.0.0.2:11211", VNodes: 80}}
	options := memcached.RingOptions{Hash: crypto.SHA1, HashRing: true}
	same, err := memcached.NewRing(servers, &options)
	if err != nil {
		fmt.Println(err)
		return
	}
	usual, err := memcached.NewRing(servers, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f%% of the keys\n", 100*same.Moved(usual))
	client, err := memcached.New(servers, &memcached.Options{Ring: options})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Node("sess:apple") == same.Server("sess:apple"))
	// Output:
	// 47% of the keys
	// true
}
