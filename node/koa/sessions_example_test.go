package koa_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/keygrip"
	"github.com/holdfast-go/session/node/koa"
)

// koa-session keeps a session in a cookie. One that the handler replaces is saved, and
// lives for another MaxAge from then on.
func ExampleSession() {
	now := time.UnixMilli(1700000000000)
	s, err := koa.DecodeSession("eyJ1c2VyIjoiYm9iIiwiX2V4cGlyZSI6MTcwMDA4NjQwMDAwMCwiX21heEFnZSI6ODY0MDAwMDB9")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(s.Fields.Append(nil)), s.Expired(now), s.MaxAge)
	f, err := fields.Parse([]byte(`{"user":"alice"}`))
	if err != nil {
		log.Fatal(err)
	}
	s.Replace(f)
	fmt.Println(s.Due(false, false, now), string(s.Bytes(now)))
	// Output:
	// {"user":"bob"} false 24h0m0s
	// changed {"user":"alice","_expire":1700086400000,"_maxAge":86400000}
}

// Whether a session that a request has used is saved depends on the options rolling and
// renew. This one lives for an hour, and 40 minutes of it are over.
func ExampleSession_Due() {
	stored := []byte(`{"user":"bob","_expire":1700003600000,"_maxAge":3600000}`)
	s, err := koa.ParseSession(stored)
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000).Add(40 * time.Minute)
	say := func(why koa.Reason) {
		switch why {
		case koa.Unchanged:
			fmt.Println("nothing to save")
		case koa.Changed:
			fmt.Println("save, somebody has written")
		case koa.Rolling, koa.Renew:
			fmt.Println("save, to live longer:", why)
		}
	}
	say(s.Due(false, false, now))
	say(s.Due(true, false, now)) // rolling: true
	say(s.Due(false, true, now)) // renew: true
	if err := s.Fields.Set("user", json.RawMessage(`"alice"`)); err != nil {
		log.Fatal(err)
	}
	say(s.Due(false, false, now))
	// Output:
	// nothing to save
	// save, to live longer: rolling
	// save, to live longer: renew
	// save, somebody has written
}

// A login on the Go side of a Koa site, with "remember me" ticked and not. Where the
// site has a store, StoreTTL is for how long that keeps the session.
func ExampleNewSession() {
	keys, err := keygrip.New([][]byte{[]byte("the site's key")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000)
	for _, remember := range []bool{true, false} {
		s := koa.NewSession(30*24*time.Hour, false)
		if !remember {
			s = koa.NewSession(0, true) // maxAge: "session"
		}
		fmt.Println(s.New(), s.Due(false, false, now) == koa.Unchanged) // without a field it is not saved
		if err := s.Fields.Set("user", json.RawMessage(`"bob"`)); err != nil {
			log.Fatal(err)
		}
		attributes := cookies.Attributes{Overwrite: true, Signed: true}
		if !s.UntilClosed {
			attributes.MaxAge = s.MaxAge
		}
		jar := cookies.Jar{Keys: keys, Now: now}
		if err := jar.Set(koa.SessionKey, s.Encode(now), &attributes); err != nil {
			log.Fatal(err)
		}
		fmt.Println(jar.Header()[0])
		fmt.Println(s.StoreTTL())
	}
	// Output:
	// true true
	// koa.sess=eyJ1c2VyIjoiYm9iIiwiX2V4cGlyZSI6MTcwMjU5MjAwMDAwMCwiX21heEFnZSI6MjU5MjAwMDAwMH0=; path=/; expires=Thu, 14 Dec 2023 22:13:20 GMT; httponly
	// 720h0m10s true
	// true true
	// koa.sess=eyJ1c2VyIjoiYm9iIiwiX3Nlc3Npb24iOnRydWV9; path=/; httponly
	// 0s false
}

// koa-generic-session keeps a session in a store, and its ID in a cookie. A Go route
// changes one: it saves the record and sets the cookie again with the attributes that
// are stored.
func ExampleRecord() {
	keys, err := keygrip.New([][]byte{[]byte("the site's key")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000)
	stored := []byte(`{"cookie":{"httpOnly":true,"path":"/","overwrite":true,"signed":true,"maxAge":60000},"user":"bob","theme":"dark"}`)
	r, err := koa.ParseRecord(stored)
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Set("user", json.RawMessage(`"alice"`)); err != nil {
		log.Fatal(err)
	}
	r.Delete("theme")
	theme, isThere := r.Get("theme")
	fmt.Println(r.Names(), string(theme), isThere)

	store := koa.Store{Prefix: "shop:"}
	ttl, ends := store.Expiry(r, now)
	fmt.Println(koa.RedisSet(store.Key("SID"), r.Bytes(), ttl, ends))
	jar := cookies.Jar{Keys: keys, Now: now}
	if err := jar.Set(koa.RecordKey, "SID", r.Attributes()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(jar.Header()[0])
	_, err = koa.ParseRecord([]byte(`"SID"`))
	fmt.Println(errors.Is(err, koa.ErrInvalid))
	// Output:
	// [user]  false
	// [SETEX shop:SID 60 {"cookie":{"httpOnly":true,"path":"/","overwrite":true,"signed":true,"maxAge":60000},"user":"alice"}]
	// koa.sid=SID; path=/; expires=Tue, 14 Nov 2023 22:14:20 GMT; httponly
	// true
}

// A new session has the attributes of the site's option cookie. The two packages write
// them in different orders, and a store with a TTL of its own does not look at them.
func ExampleNewRecord() {
	for _, flavour := range []koa.Flavour{koa.Generic, koa.Simple} {
		r, err := koa.NewRecord(flavour, []byte(`{"maxAge": 60000}`))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(r.Bytes()))
		fmt.Println(koa.Store{TTL: time.Hour}.Expiry(r, time.UnixMilli(0)))
	}
	// Output:
	// {"cookie":{"maxAge":60000,"httpOnly":true,"path":"/","overwrite":true,"signed":true}}
	// 1h0m0s true
	// {"cookie":{"httpOnly":true,"path":"/","overwrite":true,"signed":true,"maxAge":60000}}
	// 1h0m0s true
}

// When a request is over the packages decide what becomes of its session.
func ExampleAtEnd() {
	end := func(seen koa.Seen, rolling, allowEmpty bool) {
		switch koa.AtEnd(seen, rolling, allowEmpty) {
		case koa.Nothing:
			fmt.Println("leave it")
		case koa.Save:
			fmt.Println("save it and set its cookie")
		case koa.Destroy:
			jar := cookies.Jar{Now: time.UnixMilli(1700000000000)}
			if err := koa.Reset(koa.Generic, &jar, koa.RecordKey); err != nil {
				log.Fatal(err)
			}
			fmt.Println("delete it and set", jar.Header())
		}
	}
	no := false
	end(koa.Seen{New: true, Empty: true}, false, false) // a visitor who looks around
	end(koa.Seen{New: true, Empty: true}, false, true)  // allowEmpty: true
	end(koa.Seen{New: true}, false, false)              // a login
	end(koa.Seen{Same: true}, true, false)              // rolling: true
	end(koa.Seen{Same: true, Frozen: true}, true, false)
	end(koa.Seen{Save: &no}, false, false) // ctx.sessionSave = false
	end(koa.Seen{Gone: true}, false, false)
	// Output:
	// leave it
	// save it and set its cookie
	// save it and set its cookie
	// save it and set its cookie
	// leave it
	// leave it
	// delete it and set [koa.sid=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly]
}
