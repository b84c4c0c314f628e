package fields_test

import (
	"fmt"

	"github.com/holdfast-go/session/node/fields"
)

// A member that is not edited keeps its bytes and its place.
func ExampleFields() {
	f, err := fields.Parse([]byte(`{ "user": "ann", "price": 1.50, "cart": {"tea": 1} }`))
	if err != nil {
		panic(err)
	}
	if err := f.Set("cart", []byte(`{"tea":2}`)); err != nil {
		panic(err)
	}
	f.Delete("user")
	price, _ := f.Get("price")
	fmt.Printf("%s %q\n%s\n", price, f.Names(), f.Append(nil))
	// Output:
	// 1.50 ["price" "cart"]
	// {"price":1.50,"cart":{"tea":2}}
}
