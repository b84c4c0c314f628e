package connectredis_test

import (
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/holdfast-go/session/node/connectredis"
	"github.com/holdfast-go/session/node/express"
)

// A nightly job in Go adds points to the sessions that an Express application has in
// Redis. The application says
//
//	new RedisStore({ client, prefix: 'shop:' })
func ExampleOptions() {
	store := connectredis.Options{Prefix: "shop:"}
	now := time.UnixMilli(1700000000000)
	fmt.Println(store.Get("apple"))

	answer := `{"cookie":{"originalMaxAge":3600000,"expires":"2023-11-14T23:13:20.000Z","httpOnly":true,"path":"/"},"user":"bob"}` // Redis' to GET
	r, err := store.Parse([]byte(answer), now)
	if err != nil {
		log.Fatal(err)
	}
	if r == nil {
		return // the session has ended meanwhile
	}
	if err := r.Set("points", json.RawMessage("3")); err != nil {
		log.Fatal(err)
	}
	r.Touch(now) // the end that is stored is that of the last save, and may be over
	fmt.Println(store.Set("apple", r, now))
	// Output:
	// [GET shop:apple]
	// [SET shop:apple {"cookie":{"originalMaxAge":3600000,"expires":"2023-11-14T23:13:20.000Z","httpOnly":true,"path":"/"},"user":"bob","points":3} EX 3600]
}

// The application keeps administrators for an hour only, and says
//
//	new RedisStore({ client, prefix: '', ttl: (s) => s.admin ? 3600 : 86400 })
func ExampleOptions_Seconds() {
	store := connectredis.Options{NoPrefix: true, TTLOf: func(r *express.Record) time.Duration {
		if _, ok := r.Get("admin"); ok {
			return time.Hour
		}
		return 24 * time.Hour
	}}
	now := time.UnixMilli(1700000000000)
	for _, stored := range []string{`{"cookie":{},"user":"bob"}`, `{"cookie":{},"user":"eve","admin":true}`} {
		r, err := store.Parse([]byte(stored), now)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(store.Key("apple"), store.Seconds(r, now))
	}
	// Output:
	// apple 86400
	// apple 3600
}

// A visitor who only looks around puts off the end of the session, and a save after
// the end deletes it. Which of the two happens at all is for the options to say.
func ExampleOptions_Touch() {
	now := time.UnixMilli(1700000000000)
	cookie, err := express.NewCookie(nil, now) // it has no end of its own: TTL counts
	if err != nil {
		log.Fatal(err)
	}
	r := express.NewRecord(cookie)
	for _, store := range []connectredis.Options{
		{TTL: time.Hour},
		{TTL: time.Hour, DisableTouch: true},
		{DisableTTL: true},
	} {
		fmt.Println(store.Touch("apple", r, now), store.Set("apple", r, now)[3:])
	}
	r.SetMaxAge(60_000, now)
	late := now.Add(2 * time.Minute)
	fmt.Println(connectredis.Options{}.Set("apple", r, late), connectredis.Options{}.Destroy("apple"))
	// Output:
	// [EXPIRE sess:apple 3600] [EX 3600]
	// [] [EX 3600]
	// [] []
	// [DEL sess:apple] [DEL sess:apple]
}
