package etcd_test

import (
	"crypto/tls"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/etcd"
	"github.com/holdfast-go/session/seal"
)

func Example() {
	store := memstore.New(nil) // yours: redisstore, pgstore, …
	keys, err := seal.KeysFromEnv("SESSION_KEYS")
	if err != nil {
		log.Fatal(err)
	}
	source, err := etcd.New([]string{"http://etcd-1:2379", "http://etcd-2:2379"}, "site/override", nil)
	if err != nil {
		log.Fatal(err)
	}
	follower, err := override.Follow(source, &override.FollowOptions{
		Keep:   "/var/lib/shop/order", // the last order, for a start while etcd is away
		Report: func(err error) { slog.Info("the order", "error", err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer follower.Close()
	sessions, err := session.New(store, &session.Options{
		Switch: follower,
		Backup: &session.Backup{Keys: keys, Audience: "shop-production"},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(sessions.Stats().Order)
}

// The etcd of this fleet wants a certificate from its clients, and a password.
func ExampleNew() {
	certificate, err := tls.LoadX509KeyPair("/etc/shop/etcd.pem", "/etc/shop/etcd.key")
	if err != nil {
		log.Fatal(err)
	}
	source, err := etcd.New([]string{"https://etcd-1:2379"}, "shop/override", &etcd.Options{
		Client: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		}},
		User: "shop", Password: os.Getenv("ETCD_PASSWORD"),
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(source)
}
