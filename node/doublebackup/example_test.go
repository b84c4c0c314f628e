package doublebackup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/doublebackup"
	"github.com/holdfast-go/session/node/express"
)

// One route of the site is in Go already. It renews the copy of the session at each
// answer, and reads it while the store is away. A copy that a logout left empty, or that
// is too old, is no session.
func Example() {
	codec, err := clientsessions.New(clientsessions.Options{Name: "backup", Secret: []byte("the site's secret"), Duration: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000)
	cookie, err := express.NewCookie(nil, now)
	if err != nil {
		log.Fatal(err)
	}
	session := express.NewRecord(cookie)
	if err := session.Set("user", json.RawMessage(`"bob"`)); err != nil {
		log.Fatal(err)
	}
	box, err := doublebackup.Box(codec, session, now)
	if err != nil {
		log.Fatal(err)
	}
	copied, err := codec.Encode(box)
	if err != nil {
		log.Fatal(err)
	}
	afterLogout, err := codec.Encode(codec.New(now))
	if err != nil {
		log.Fatal(err)
	}

	read := func(value string, at time.Time) {
		switch r, until, err := doublebackup.Read(codec, value, at); {
		case errors.Is(err, doublebackup.ErrNone):
			fmt.Println("logged out")
		case errors.Is(err, doublebackup.ErrExpired):
			fmt.Println("too old, by", at.Sub(until))
		case err != nil:
			fmt.Println(err)
		default:
			user, _ := r.Get("user")
			fmt.Println(string(user), "for another", until.Sub(at))
		}
	}
	read(copied, now.Add(time.Minute))
	read(afterLogout, now.Add(time.Minute))
	read(copied, now.Add(2*time.Hour))
	read("forged", now)
	// Output:
	// "bob" for another 59m0s
	// logged out
	// too old, by 1h0m0s
	// clientsessions: the cookie is forged, or not of this application
}
