package zookeeper_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/zookeeper"
	"github.com/holdfast-go/session/seal"
)

// New looks at what it is given, and connects to nothing.
func ExampleNew() {
	for _, server := range []string{"zk-1:2181", "zk-1"} {
		_, err := zookeeper.New([]string{server}, "/shop/override", nil)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// zookeeper: a server is no host:port
}

// A program that starts while ZooKeeper is away serves, by the last order that it has kept.
func ExampleSource() {
	source, err := zookeeper.New([]string{"127.0.0.1:1"}, "/shop/override", &zookeeper.Options{Session: 10 * time.Second})
	if err != nil {
		panic(err)
	}
	follower, err := override.Follow(source, &override.FollowOptions{
		Report: func(err error) { slog.Debug("the order", "error", err) },
	})
	if err != nil {
		panic(err)
	}
	defer follower.Close()
	keys, err := seal.NewKeys(seal.NewKey()) // yours: seal.KeysFromEnv, the same on every instance
	if err != nil {
		panic(err)
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Switch: follower,
		Backup: &session.Backup{Keys: keys, Audience: "shop-production"},
	})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())
	fmt.Println(sessions.Stats().Order.Mode)
	// Output: auto
}
