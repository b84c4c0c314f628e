package connectmemcached_test

import (
	"crypto"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

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

// A nightly job in Go adds points to the sessions that an Express application has in
// memcached. The application says
//
//	new MemcachedStore({ hosts: ['10.0.0.1:11211'], prefix: 'sess.', ttl: 3600 })
func ExampleOptions() {
	store := connectmemcached.Options{Prefix: "sess.", TTL: time.Hour}
	now := time.UnixMilli(1700000000000)
	key, err := store.Key("apple")
	if err != nil {
		log.Fatal(err)
	}
	answer := `{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":"bob"}` // memcached's
	r, err := store.Decode(connectmemcached.FlagJSON, []byte(answer), now)
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Set("points", json.RawMessage("3")); err != nil {
		log.Fatal(err)
	}
	flags, value, err := store.Encode(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key, flags, store.Exptime(r, now))
	fmt.Println(string(value))

	store.Strings = true // where Node has a version before 2.0
	flags, _, err = store.Encode(r)
	fmt.Println(flags == connectmemcached.FlagString, err)
	// Output:
	// sess.apple 2 3600
	// {"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":"bob","points":3}
	// true <nil>
}

// With maxAge: 31 days Node's store sends an expiry that memcached takes for a date in
// 1970. A program that writes a session by itself sends what was meant.
func ExampleOptions_Expires() {
	var store connectmemcached.Options
	now := time.UnixMilli(1700000000000)
	cookie, err := express.NewCookie([]byte(`{"maxAge": 2678400000}`), now)
	if err != nil {
		log.Fatal(err)
	}
	r := express.NewRecord(cookie)
	fmt.Println(store.Exptime(r, now), "is", time.Unix(int64(store.Exptime(r, now)), 0).UTC().Format(time.DateOnly))
	fmt.Println(store.Expires(r, now).Unix(), "is", store.Expires(r, now).UTC().Format(time.DateOnly))
	// Output:
	// 2678400 is 1970-02-01
	// 1702678400 is 2023-12-15
}

// The Node client puts a namespace in front of all its keys, and sends a long key as
// its MD5. Which server has the key is decided by the long one.
func ExampleOptions_RingKey() {
	store := connectmemcached.Options{Namespace: "shop.", Prefix: "sess."}
	id := strings.Repeat("tenant-", 40) + "apple" // an option genid of the application's
	key, err := store.Key(id)
	fmt.Println(key, err)
	fmt.Println(key == connectmemcached.HashKey(store.RingKey(id)), store.RingKey("apple"))

	store.NoLongKeys = true // keyCompression: false
	_, err = store.Key(id)
	fmt.Println(err)
	// Output:
	// 13e3ce44056b08f6e0eebe1cd87483c6 <nil>
	// true shop.sess.apple
	// connectmemcached: key: longer than 250 characters
}

// The application has changed kruptein's defaults:
//
//	new MemcachedStore({ hosts, secret, algorithm: 'aes-128-gcm', hashing: 'sha256', encodeas: 'hex', use_asn1: false })
func ExampleNewCipher() {
	cipher, err := connectmemcached.NewCipher("Xj8$kLp2@Qa9#Zt5!", &connectmemcached.CipherOptions{
		Algorithm: "aes-128-gcm", Hash: crypto.SHA256, Hex: true, JSON: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	store := connectmemcached.Options{Cipher: cipher}
	now := time.Now()
	cookie, err := express.NewCookie(nil, now)
	if err != nil {
		log.Fatal(err)
	}
	flags, value, err := store.Encode(express.NewRecord(cookie))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(flags == connectmemcached.FlagString, strings.HasPrefix(string(value), `{"hmac":"`))
	r, err := store.Decode(flags, value, now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(r.Bytes()))
	// Output:
	// true true
	// {"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}}
}

// Sessions of connect-memcached 2.0 are encrypted with fewer iterations, and those of
// an application with use_scrypt without any. A job that moves the sessions reads them
// with one cipher and writes them with another.
func ExampleCipherOptions() {
	const secret = "Xj8$kLp2@Qa9#Zt5!"
	before, err := connectmemcached.NewCipher(secret, &connectmemcached.CipherOptions{Iterations: 15_000})
	if err != nil {
		log.Fatal(err)
	}
	after, err := connectmemcached.NewCipher(secret, &connectmemcached.CipherOptions{Scrypt: true})
	if err != nil {
		log.Fatal(err)
	}
	old, err := before.Seal([]byte(`{"cookie":{},"user":"bob"}`))
	if err != nil {
		log.Fatal(err)
	}
	_, err = after.Open(old)
	fmt.Println(err)
	text, err := before.Open(old)
	fmt.Println(string(text), err)
	if _, err := after.Seal(text); err != nil {
		log.Fatal(err)
	}
	// Output:
	// connectmemcached: value: not sealed with this secret, or changed
	// {"cookie":{},"user":"bob"} <nil>
}
