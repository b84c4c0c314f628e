package clientsessions_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/holdfast-go/session/node/clientsessions"
)

// A request comes five seconds after its cookie was made: there is nothing to send.
// Four minutes before its end the session has ActiveDuration more, and its cookie goes
// out again. A forged cookie is a new session.
func ExampleCodec() {
	codec, err := clientsessions.New(clientsessions.Options{
		Name: "session", Secret: []byte("yo"), Duration: 24 * time.Hour, ActiveDuration: 5 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	cookie := good // of the session {"foo":"bar"}
	made := time.UnixMilli(1700000000000)

	session, send := codec.Load(cookie, made.Add(5*time.Second))
	fmt.Println(string(session.Content), send)
	session, send = codec.Load(cookie, made.Add(24*time.Hour-4*time.Minute))
	fmt.Println(string(session.Content), send, session.Created.Sub(made)+session.Duration)
	session, send = codec.Load("forged", made)
	fmt.Println(string(session.Content), send)
	// Output:
	// {"foo":"bar"} false
	// {"foo":"bar"} true 24h5m0s
	// {} true
}

// A program that keeps what it has taken over does not look at the end of a cookie, and
// has to tell a forged one from one that holds nothing.
func ExampleCodec_Decode() {
	codec, err := clientsessions.New(clientsessions.Options{Name: "session", Secret: []byte("yo")})
	if err != nil {
		log.Fatal(err)
	}
	box, err := codec.Decode(good)
	fmt.Println(string(box.Content), box.Duration, err)
	_, err = codec.Decode(strings.Replace(good, ".86400000.", ".96400000.", 1)) // a longer session would be nice
	fmt.Println(errors.Is(err, clientsessions.ErrInvalid))
	// Output:
	// {"foo":"bar"} 24h0m0s <nil>
	// true
}

// The site has keys of its own in place of a secret:
//
//	sessions({ encryptionKey, encryptionAlgorithm: 'aes128', signatureKey, signatureAlgorithm: 'sha512-drop256' })
func ExampleNew() {
	options := clientsessions.Options{
		EncryptionKey: bytes.Repeat([]byte("e"), 16), Encryption: "aes128",
		SignatureKey: bytes.Repeat([]byte("s"), 64), Signature: "sha512-drop256",
	}
	codec, err := clientsessions.New(options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(codec.Name())
	options.Encryption = "aes256"
	_, err = clientsessions.New(options)
	fmt.Println(err)
	// Output:
	// session_state
	// clientsessions: encryption aes256: the key has 16 bytes, not 32
}

// The site says
//
//	sessions({ cookieName: 'session', secret, cookie: { path: '/admin', domain: 'shop.test', sameSite: 'lax', secureProxy: true, maxAge: 3600000 } })
//
// A session is set as a whole: the cookie is all that there is of it.
func ExampleCodec_SetCookie() {
	codec, err := clientsessions.New(clientsessions.Options{
		Name: "session", Secret: []byte("yo"),
		Cookie: clientsessions.Cookie{Path: "/admin", Domain: "shop.test", SameSite: "lax", SecureProxy: true, MaxAge: time.Hour},
	})
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000)
	session := codec.New(now)
	session.Content = []byte(`{"user":"bob"}`)
	header, err := codec.SetCookie(session, now, false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(withoutValue(header))
	// Output: path=/admin; expires=Tue, 14 Nov 2023 23:13:20 GMT; domain=shop.test; samesite=lax; secure; httponly
}

// A site whose pages read the cookie from a script and which is served over TLS alone
// has other attributes. Over plain http it sends no cookie at all.
func ExampleCookie() {
	codec, err := clientsessions.New(clientsessions.Options{
		Secret: []byte("yo"), Cookie: clientsessions.Cookie{Scripts: true, Secure: true, Ephemeral: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000)
	header, err := codec.SetCookie(codec.New(now), now, true)
	fmt.Println(withoutValue(header), err)
	_, err = codec.SetCookie(codec.New(now), now, false)
	fmt.Println(err)
	// Output:
	// path=/; secure <nil>
	// cookies: a secure cookie over a connection that is not
}

// One visitor has ticked "remember me" and another has not: setDuration(day, true) makes
// the cookie of the second go with the browser.
func ExampleCodec_WithEphemeral() {
	remembered, err := clientsessions.New(clientsessions.Options{Secret: []byte("yo")})
	if err != nil {
		log.Fatal(err)
	}
	forgotten, err := remembered.WithEphemeral(true)
	if err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1700000000000)
	for _, codec := range []*clientsessions.Codec{remembered, forgotten} {
		header, err := codec.SetCookie(codec.New(now), now, true)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(withoutValue(header))
	}
	// Output:
	// path=/; expires=Wed, 15 Nov 2023 22:13:21 GMT; secure; httponly
	// path=/; secure; httponly
}

// withoutValue returns a Set-Cookie header without the value, which differs each time.
func withoutValue(header string) string {
	_, after, _ := strings.Cut(header, "; ")
	return after
}
