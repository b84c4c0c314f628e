package connectmemcached_test

import (
	"log"
	"os"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/node/connectmemcached"
	"github.com/holdfast-go/session/node/express"
)

// The Express application says
//
//	new MemcachedStore({ hosts: ['10.0.0.1:11211', '10.0.0.2:11211'], secret: process.env.STORE_SECRET })
func ExampleOptions_Open() {
	secrets, err := express.NewSecrets([]byte(os.Getenv("SESSION_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	cipher, err := connectmemcached.NewCipher(os.Getenv("STORE_SECRET"), nil)
	if err != nil {
		log.Fatal(err)
	}
	hosts := []string{"10.0.0.1:11211", "10.0.0.2:11211"}
	profile := &express.Profile{Secrets: secrets}

	client, store, err := connectmemcached.Options{Cipher: cipher}.Open(profile, memcached.Servers(hosts...), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	options, err := profile.Options() // after Open
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(sessions.Stats())
}
