package session_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// An application answers failures with pages of its own: a visitor without a
// session goes to the login, and a mistake of the program goes to its log.
func ExampleOptions_error() {
	mistakes := log.New(os.Stdout, "mistake: ", 0)
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Error: func(w http.ResponseWriter, r *http.Request, err error) {
			switch {
			case errors.Is(err, session.ErrNoSession):
				http.Redirect(w, r, "/login", http.StatusSeeOther)
				return
			case errors.Is(err, session.ErrReadOnly), errors.Is(err, session.ErrTooLate):
				mistakes.Print(r.URL.Path, ": ", err)
			}
			status := session.Status(err)
			http.Error(w, "Sorry. "+http.StatusText(status), status)
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "who are you?") })
	mux.HandleFunc("GET /account", sessions.RequireFunc(show))
	mux.HandleFunc("POST /cart/{sku}", sessions.ReadOnlyFunc(add)) // add writes

	browse(mux, "GET /account", "POST /cart/bread")
	// Output:
	// GET /account: 200 who are you?
	// mistake: /cart/bread: session: read-only
	// POST /cart/bread: 500 Sorry. Internal Server Error
}

// A release has changed the type of a value, and a visitor comes back with a value
// of the old type. Or passes over it, which Hooks.BadValue is told. Get returns a
// ValueError; Delete makes room for a value of the new type.
func ExampleValueError() {
	before := session.NewKey[string]("size")
	size := session.NewKey[int]("size")
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Hooks: session.Hooks{BadValue: func(_ context.Context, _ session.ID, err *session.ValueError) {
			fmt.Println("hook:", err.Key)
		}},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /before", func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		before.Set(s, "large")
	})
	mux.HandleFunc("GET /or", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, size.Or(s, 38))
	})
	mux.HandleFunc("GET /get", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		n, err := size.Get(s)
		var bad *session.ValueError
		if errors.As(err, &bad) && bad.Key == size.Name() {
			var mismatch *json.UnmarshalTypeError
			if errors.As(bad.Err, &mismatch) { // its text may quote the value, which no log should have
				fmt.Println("a JSON", mismatch.Value, "is no", mismatch.Type)
			}
			size.Delete(s)
			n = 42
			size.Set(s, n)
		}
		fmt.Fprintln(w, n)
	})
	browse(sessions.Handler(mux), "GET /before", "GET /or", "GET /get", "GET /or")
	// Output:
	// GET /before: 200 hook: size
	// GET /or: 200 38
	// a JSON string is no int
	// GET /get: 200 42
	// GET /or: 200 42
}

// gobCodec stores values as package gob writes them.
type gobCodec struct{}

func (gobCodec) Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func (gobCodec) Decode(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// JSON has no complex numbers, and gob has.
func ExampleWithCodec() {
	impedance := session.NewKey[complex128]("impedance", session.WithCodec(gobCodec{}))
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /measure", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		impedance.Set(s, 50+3i)
		fmt.Fprintln(w, "noted")
	})
	mux.HandleFunc("GET /last", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, impedance.Or(s, 0))
	})
	browse(sessions.Handler(mux), "POST /measure", "GET /last")
	// Output:
	// POST /measure: 200 noted
	// GET /last: 200 (50+3i)
}

// A helper that both handlers and background work call asks first whether there
// is a session to ask for.
func ExampleHandled() {
	language := session.NewKey[string]("language")
	inLanguage := func(ctx context.Context) string {
		if !session.Handled(ctx) {
			return "en"
		}
		s, err := session.From(ctx)
		if err != nil {
			return "en"
		}
		return language.Or(s, "en")
	}
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	h := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		language.Set(s, "da")
		fmt.Println("a page:", inLanguage(r.Context()))
	})
	h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println("a nightly mail:", inLanguage(context.Background()))
	// Output:
	// a page: da
	// a nightly mail: en
}

// Staff have sessions of their own, beside those that they have as customers. The
// login of one leaves the other alone.
func ExampleManager_StartNew() {
	customers, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	staff, err := session.New(memstore.New(nil), &session.Options{Cookie: session.Cookie{Name: "__Host-staff"}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("POST /staff/login", func(w http.ResponseWriter, r *http.Request) {
		s, err := staff.StartNew(r.Context()) // whatever staff session the browser had ends
		if err != nil {
			session.Error(w, r, err)
			return
		}
		who.Set(s, "alice")
		fmt.Fprintln(w, "welcome")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		customer, _ := customers.From(r.Context())
		member, _ := staff.From(r.Context())
		fmt.Fprintln(w, who.Or(customer, "nobody"), "shops,", who.Or(member, "nobody"), "works")
	})
	browse(staff.Handler(customers.Handler(mux)), "POST /login", "GET /", "POST /staff/login", "GET /")
	// Output:
	// POST /login: 200 welcome
	// GET /: 200 bob shops, nobody works
	// POST /staff/login: 200 welcome
	// GET /: 200 bob shops, alice works
}
