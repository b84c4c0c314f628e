package keygrip_test

import (
	"crypto"
	_ "crypto/sha256"
	"fmt"

	"github.com/holdfast-go/session/node/keygrip"
)

// An application has changed its key, and still takes what the key of before signed.
func ExampleKeys() {
	before, err := keygrip.New([][]byte{[]byte("key of spring")}, nil)
	if err != nil {
		panic(err)
	}
	keys, err := keygrip.New([][]byte{[]byte("key of summer"), []byte("key of spring")}, nil)
	if err != nil {
		panic(err)
	}
	old := before.Sign("cart=3")
	fmt.Println(keys.Verify("cart=3", old), keys.Index("cart=3", old)) // by the second key: sign anew
	fmt.Println(keys.Index("cart=3", keys.Sign("cart=3")))
	fmt.Println(keys.Verify("cart=4", old))
	fmt.Println(keys) // keys do not print
	// Output:
	// true 1
	// 0
	// false
	// [keys]
}

func ExampleOptions() {
	keys, err := keygrip.New([][]byte{[]byte("key of summer")}, &keygrip.Options{Hex: true})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(keys.Sign("cart=3")), "digits of SHA-1")
	// Output: 40 digits of SHA-1
}

// The application says
//
//	new Keygrip(['key of summer'], 'sha256')
func ExampleNew() {
	keys, err := keygrip.New([][]byte{[]byte("key of summer")}, &keygrip.Options{Hash: crypto.SHA256})
	if err != nil {
		panic(err)
	}
	fmt.Println(keys.Sign("cart=3"))
	_, err = keygrip.New(nil, nil)
	fmt.Println(err)
	// Output:
	// 8XrcPLrXMx3gUS-tUPfLs4UG4hVl_OPFEMCHy4Hr6YQ
	// keygrip: keys: at least one is needed
}
