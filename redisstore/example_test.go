package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

func Example() {
	option, err := redisstore.ClientOption(os.Getenv("REDIS_URL")) // redis://user:password@localhost:6379/0
	if err != nil {
		log.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sessions, err := session.New(redisstore.New(client), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close(context.Background())

	mux := http.NewServeMux()
	http.ListenAndServe("localhost:8080", sessions.Handler(mux))
}

func ExampleNew() {
	options := []redisstore.Option{
		redisstore.Prefix("shop:session:"),
		redisstore.ClientCache(time.Minute),
	}
	option, err := redisstore.ClientOption(os.Getenv("REDIS_URL"), options...)
	if err != nil {
		log.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	store := redisstore.New(client, options...)

	ctx := context.Background()
	for id, err := range store.List(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id)
	}
}
