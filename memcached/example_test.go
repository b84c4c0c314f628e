package memcached_test

import (
	"context"
	"errors"
	"fmt"
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
