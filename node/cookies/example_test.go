package cookies_test

import (
	"fmt"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/keygrip"
)

// The cookies of an application on Koa are set and read with its own keys.
func ExampleJar() {
	keys, err := keygrip.New([][]byte{[]byte("key of summer")}, nil)
	if err != nil {
		panic(err)
	}
	answer := cookies.Jar{Keys: keys, TLS: true, Now: time.Now()}
	if err := answer.Set("theme", "dark", &cookies.Attributes{SameSite: "lax", Signed: true}); err != nil {
		panic(err)
	}
	for _, line := range answer.Header() {
		fmt.Println(line)
	}

	request := cookies.Jar{Keys: keys, TLS: true, Now: time.Now(), Request: "theme=light; theme.sig=" + keys.Sign("theme=dark")}
	fmt.Println(request.Get("theme"))       // as the browser sent it
	fmt.Println(request.GetSigned("theme")) // nothing: somebody has changed it
	// Output:
	// theme=dark; path=/; samesite=lax; secure; httponly
	// theme.sig=dK3HiMGjP50ce4uPIt2IVf7_dXY; path=/; samesite=lax; secure; httponly
	// light true
	//  false <nil>
}

func ExampleFind() {
	fmt.Println(cookies.Find(`a=1; theme="dark"`, "theme", cookies.V09))
	fmt.Println(cookies.Find(`a=1; theme="dark"`, "theme", cookies.V07))
	// Output:
	// dark true
	// "dark" true
}

func ExampleHeader() {
	line, err := cookies.Header("theme", "dark", &cookies.Attributes{MaxAge: time.Hour, NoPath: true}, cookies.V09, time.Unix(0, 0).UTC(), false)
	fmt.Println(line, err)
	_, err = cookies.Header("theme", "dark", &cookies.Attributes{SameSite: "sometimes"}, cookies.V09, time.Now(), false)
	fmt.Println(err)
	// Output:
	// theme=dark; expires=Thu, 01 Jan 1970 01:00:00 GMT; httponly <nil>
	// cookies: option sameSite is invalid
}

// Behind a proxy that ends TLS the application itself is reached over plain http.
func ExampleSecure() {
	for _, secure := range []cookies.Secure{cookies.AsConnection, cookies.Always, cookies.AlwaysProxied, cookies.Never} {
		line, err := cookies.Header("theme", "dark", &cookies.Attributes{Secure: secure}, cookies.V09, time.Now(), false)
		fmt.Println(line, err)
	}
	// Output:
	// theme=dark; path=/; httponly <nil>
	//  cookies: a secure cookie over a connection that is not
	// theme=dark; path=/; secure; httponly <nil>
	// theme=dark; path=/; httponly <nil>
}
