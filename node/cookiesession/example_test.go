package cookiesession_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/cookiesession"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/keygrip"
)

// A request with a session changes one field. The answer sets the cookie and its
// signature again; without a change it would set none.
func ExampleLoad() {
	jar := &cookies.Jar{
		Request: "session=eyJ1c2VyIjoiYm9iIn0=; session.sig=uJ1Dqx_t3D5_0Y4wENfMmFWP2eE", Keys: siteKeys(),
	}
	session, err := cookiesession.Load(jar, cookiesession.Name, cookies.Attributes{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.IsNew(), session.Changed(), session.Fields.Names())
	if err := session.Fields.Set("user", []byte(`"alice"`)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.Changed())
	if err := session.Save(jar, cookiesession.Name, cookies.Attributes{}); err != nil {
		log.Fatal(err)
	}
	for _, header := range jar.Header() {
		fmt.Println(header)
	}
	// Output:
	// false false [user]
	// true
	// session=eyJ1c2VyIjoiYWxpY2UifQ==; path=/; httponly
	// session.sig=MCV8D0UjvmIt9EzTRTRfNDn_L2k; path=/; httponly
}

// A login makes a session of the fields that a form has sent, but for names that every
// session in JavaScript has already: Node would not find them there again.
func ExampleNew() {
	form := map[string]string{"user": "bob", "isNew": "yes"}
	f := new(fields.Fields)
	for name, value := range form {
		if cookiesession.Reserved(name) {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			log.Fatal(err)
		}
		if err := f.Set(name, text); err != nil {
			log.Fatal(err)
		}
	}
	jar := &cookies.Jar{Keys: siteKeys()}
	if err := cookiesession.New(f).Save(jar, cookiesession.Name, cookies.Attributes{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(jar.Header()[0])
	// Output: session=eyJ1c2VyIjoiYm9iIn0=; path=/; httponly
}

// A logout is req.session = null.
func ExampleSession_Save() {
	jar := &cookies.Jar{
		Request: "session=eyJ1c2VyIjoiYm9iIn0=; session.sig=uJ1Dqx_t3D5_0Y4wENfMmFWP2eE", Keys: siteKeys(),
	}
	if err := cookiesession.New(nil).Save(jar, cookiesession.Name, cookies.Attributes{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(jar.Header()[0])
	// Output: session=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly
}

// A support tool shows what is in a cookie that a visitor has sent in. It has no keys,
// and so cannot say whether the cookie is a good one.
func ExampleDecode() {
	f, err := cookiesession.Decode("eyJ1c2VyIjoiYm9iIn0=")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(f.Append(nil)), cookiesession.Encode(f))
	_, err = cookiesession.Decode("something else")
	fmt.Println(errors.Is(err, cookiesession.ErrInvalid))
	// Output:
	// {"user":"bob"} eyJ1c2VyIjoiYm9iIn0=
	// true
}

func siteKeys() *keygrip.Keys {
	keys, err := keygrip.New([][]byte{[]byte("key1")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return keys
}
