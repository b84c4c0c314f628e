package express_test

import (
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/holdfast-go/session/node/express"
)

func ExampleSecrets() {
	secrets, err := express.NewSecrets([]byte("keyboard cat"), []byte("the one before"))
	if err != nil {
		log.Fatal(err)
	}
	id, _, ok := secrets.Read("connect.sid=s%3Aapple.D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU", "connect.sid")
	fmt.Println(id, ok)
	// Output: apple true
}

func ExampleRecord() {
	now := time.UnixMilli(1700000000000)
	stored := `{"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/"},"cart":[7],"user":"bob"}`
	r, err := express.ParseRecord([]byte(stored), now)
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Set("user", json.RawMessage(`"alice"`)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(r.Bytes()))
	// Output: {"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/"},"cart":[7],"user":"alice"}
}

func ExampleCookie() {
	now := time.UnixMilli(1700000000000)
	c, err := express.NewCookie([]byte(`{"maxAge": 3600000, "secure": "auto", "sameSite": "lax"}`), now)
	if err != nil {
		log.Fatal(err)
	}
	c.Resolve(true)
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	header, err := c.SetCookie("connect.sid", secrets.Sign("apple"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(header)
	// Output: connect.sid=s%3Aapple.D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU; Path=/; Expires=Tue, 14 Nov 2023 23:13:20 GMT; HttpOnly; Secure; SameSite=Lax
}

func ExampleOptions() {
	var o express.Options // resave, saveUninitialized and rolling are off
	read := express.Seen{CookieID: "apple", ID: "apple", WasSaved: true, Saved: true}
	fmt.Println(o.SendsCookie(read), o.AtEnd(read))
	login := express.Seen{ID: "banana", Modified: true}
	fmt.Println(o.SendsCookie(login), o.AtEnd(login))
	// Output:
	// false touch
	// true set
}
