// Express-and-go is one site that two programs serve, on the same sessions: an
// Express application, from which routes move to Go one by one. The Go program
// stands in front, and gives what it does not serve itself to Express.
//
//	go run . -redis redis://localhost:6379
//
// It installs the Node packages when it is first run.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the site is served")
	redis := flag.String("redis", "redis://127.0.0.1:6379", "the server that has the sessions")
	flag.Parse()
	secret := os.Getenv("SESSION_SECRET")
	if secret == "" {
		secret = rand.Text()
		log.Print("no SESSION_SECRET is set: sessions end with this program")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *redis, secret, func(url string) { fmt.Println(url) }); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends; ready gets the address.
func run(ctx context.Context, addr, redis, secret string, ready func(url string)) error {
	express, err := startExpress(ctx, "app", redis, secret)
	if err != nil {
		return err
	}
	defer express.stop()
	shop, err := newShop(redis, secret)
	if err != nil {
		return err
	}
	defer shop.close()
	server := &http.Server{Handler: routes(shop, express.url), ReadHeaderTimeout: 5 * time.Second}
	listener, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ready("http://" + listener.Addr().String())
	select {
	case err = <-served:
	case err = <-express.ended:
		err = fmt.Errorf("express has ended: %w", err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(limit))
}
