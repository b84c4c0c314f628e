package express_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/session/node/connectredis"
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

// One route of the site is a program that reads and writes the sessions by itself. It
// does what the middleware does when a request comes and when its response ends.
func ExampleOptions_AtEnd() {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	options := express.Options{Rolling: true, UnsetDestroys: true}
	store := connectredis.Options{}
	now := time.UnixMilli(1700000000000)
	inRedis := `{"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:00.000Z","httpOnly":true,"path":"/"},"user":"bob"}`

	serve := func(handler func(*express.Record) (gone bool)) {
		id, _, ok := secrets.Read("connect.sid=s%3Aapple.D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU", "connect.sid")
		if !ok {
			log.Fatal("a new visitor, who gets a NewID and a NewRecord")
		}
		r, err := store.Parse([]byte(inRedis), now)
		if err != nil {
			log.Fatal(err)
		}
		before := string(r.Bytes())
		seen := express.Seen{CookieID: id, ID: id, WasSaved: true, Ends: r.Cookie().Ends()}
		seen.Gone = handler(r)
		seen.Modified = string(r.Bytes()) != before
		seen.Saved = !seen.Modified
		r.Touch(now)
		if options.SendsCookie(seen) {
			header, err := r.Cookie().SetCookie("connect.sid", secrets.Sign(id))
			if err != nil {
				log.Fatal(err)
			}
			_, attributes, _ := strings.Cut(header, "; ")
			fmt.Println("Set-Cookie:", attributes)
		}
		switch options.AtEnd(seen) {
		case express.Save:
			fmt.Println(store.Set(id, r, now)[0])
		case express.Touch:
			fmt.Println(store.Touch(id, r, now))
		case express.Destroy:
			fmt.Println(store.Destroy(id))
		case express.Nothing:
			fmt.Println("nothing to do")
		}
	}
	serve(func(*express.Record) bool { return false })                     // the visitor looks around
	serve(func(r *express.Record) bool { r.Delete("user"); return false }) // delete req.session.user
	serve(func(*express.Record) bool { return true })                      // req.session = null
	options.UnsetDestroys = false
	serve(func(*express.Record) bool { return true })
	// Output:
	// Set-Cookie: Path=/; Expires=Tue, 14 Nov 2023 22:14:20 GMT; HttpOnly
	// [EXPIRE sess:apple 60]
	// Set-Cookie: Path=/; Expires=Tue, 14 Nov 2023 22:14:20 GMT; HttpOnly
	// SET
	// [DEL sess:apple]
	// nothing to do
}

// Whether a new visitor who has written nothing gets a session, and whether sessions are
// saved that nobody has changed, is for the options to say.
func ExampleOptions_SendsCookie() {
	visitor := express.Seen{ID: express.NewID()}
	reader := express.Seen{CookieID: "apple", ID: "apple", WasSaved: true, Saved: true}
	var recommended express.Options
	fmt.Println(recommended.SendsCookie(visitor), recommended.AtEnd(visitor), recommended.AtEnd(reader))

	defaults := express.Options{Resave: true, SaveUninitialized: true} // where the application does not say
	reader.WasSaved, reader.Saved = false, false                       // Resave does that
	fmt.Println(defaults.SendsCookie(visitor), defaults.AtEnd(visitor), defaults.AtEnd(reader))

	reader.WasSaved, reader.Saved = true, true
	fmt.Println(express.Options{Untouchable: true}.AtEnd(reader)) // the store has no method touch
	// Output:
	// false nothing touch
	// true set set
	// nothing
}

// The site has changed its secret. A cookie that was signed with the secret of before is
// good, and is signed with the new one when it is sent again.
func ExampleSecrets_Verify() {
	before, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	secrets, err := express.NewSecrets([]byte("piano dog"), []byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	value, ok := express.ReadCookie(`theme=dark; connect.sid=`+url.QueryEscape(before.Sign("apple")), "connect.sid")
	if !ok {
		return
	}
	id, secret, ok := secrets.Verify(value)
	fmt.Println(id, secret, ok)
	if secret > 0 {
		value = secrets.Sign(id)
	}
	fmt.Println(secrets.Verify(value))
	// Output:
	// apple 1 true
	// apple 0 true
}

// A session is to end with the year. Each touch gives it again the two days that were left
// when the end was set.
func ExampleCookie_SetExpires() {
	now := time.Date(2026, 12, 30, 0, 0, 0, 0, time.UTC)
	c, err := express.NewCookie([]byte(`{"secure": true}`), now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Ends(), c.Secure())
	c.SetExpires(now.AddDate(0, 0, 2), now)
	c.Touch(now.Add(time.Hour))
	end, ok := c.Expires()
	fmt.Println(end.UTC().Format(time.DateTime), ok)
	c.SetMaxAge(60_000, now)
	fmt.Println(string(c.JSON()))
	// Output:
	// false true
	// 2027-01-01 01:00:00 true
	// {"originalMaxAge":60000,"expires":"2026-12-30T00:01:00.000Z","secure":true,"httpOnly":true,"path":"/"}
}

// The proxy in front of the application ends TLS, and says so in a header. The application
// has said nothing, session({ proxy: true }) or session({ proxy: false }).
func ExampleSecure() {
	trustsProxies := false // app.set('trust proxy', 0)
	for _, proxy := range []express.Proxy{express.ProxyOfExpress, express.ProxyTrusted, express.ProxyIgnored} {
		fmt.Println(express.Secure(proxy, false, trustsProxies, "https, http"))
	}
	// Output:
	// false
	// true
	// false
}
