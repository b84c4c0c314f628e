package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
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
	defer sessions.Close(context.Background()) // waits for refreshes; with a Backup give it a deadline

	mux := http.NewServeMux()
	http.ListenAndServe("localhost:8080", sessions.Handler(mux))
}

// An application with a Backup starts while its only Redis is away, too: its visitors are
// served from their copies, and the client connects when the server is back.
func ExampleClientOption() {
	option, err := redisstore.ClientOption("redis://localhost:1") // where nothing listens
	if err != nil {
		log.Fatal(err)
	}
	option.ForceSingleClient = true
	client, err := rueidis.NewClient(option)
	if client == nil {
		log.Fatal(err) // the options are wrong
	}
	defer client.Close()
	if err != nil {
		fmt.Println("Redis is away")
	}

	store := redisstore.New(client)
	_, err = store.Load(context.Background(), "b3f1")
	fmt.Println("no session:", errors.Is(err, session.ErrNotFound))
	// Output:
	// Redis is away
	// no session: false
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

// The store of an application whose server refuses INFO says so in its log, once. Raw
// is for sessions that it shares with programs which write nothing but the data.
func ExampleLog() {
	option, err := redisstore.ClientOption(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("part", "sessions")
	store := redisstore.New(client, redisstore.Log(logger), redisstore.Raw())
	if !store.IsRaw() {
		log.Fatal("Node could not read these records")
	}
}
