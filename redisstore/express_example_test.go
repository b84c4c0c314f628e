package redisstore_test

import (
	"log"
	"net/http"
	"os"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
	"github.com/redis/rueidis"
)

// Go and Express share the sessions of connect-redis.
func ExampleRaw_express() {
	var client rueidis.Client // of rueidis.NewClient
	keys, err := seal.KeysFromEnv("SESSION_KEYS")
	if err != nil {
		log.Fatal(err)
	}
	mux, cart := http.NewServeMux(), http.NotFoundHandler()

	secrets, err := express.NewSecrets([]byte(os.Getenv("SESSION_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	profile := &express.Profile{Secrets: secrets, Cookie: `{"maxAge": 3600000, "secure": "auto"}`}
	options, err := profile.Options()
	if err != nil {
		log.Fatal(err)
	}
	options.Backup = &session.Backup{Keys: keys, Audience: "shop-production"} // optional: see "Races" for what it adds
	store := redisstore.New(client, redisstore.Raw(), redisstore.Prefix("sess:"))
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/cart", profile.Handler(sessions, cart))
}
