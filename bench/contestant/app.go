package contestant

import (
	"net/http"
	"strconv"
)

// The application's routes. Login makes a session, in the shape that its query
// says.
const (
	Login    = "/login"                   // POST
	Food     = "/food"                    // GET; needs no session
	User     = "/user"                    // GET; reads one key
	ReadOnly = "/user/readonly"           // GET; the same, and nothing is saved or put off
	Cart     = "/user/shoppingcart"       // POST; writes one key
	State    = "/bench/state"             // GET; Holdfast only: what its store does
	food     = `{"food":["bread","tea"]}` // what Food answers
)

// FoodAnswer and UserAnswer are what those routes answer, UserAnswer to a
// visitor with a session.
var (
	FoodAnswer = []byte(food)
	UserAnswer = nameAnswer("Ada Lovelace")
)

// CartAnswer is what the route answers when it has written the cart.
func CartAnswer(cart []string) []byte {
	b := []byte(`{"cart":[`)
	for i, thing := range cart {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, thing)
	}
	return append(b, ']', '}')
}

// Carts are what CartAnswer goes through, from the first answer on.
func Carts() (all [][]byte) {
	cart := Usual.New().Cart
	for range cart {
		cart = turned(cart)
		all = append(all, CartAnswer(cart))
	}
	return all
}

func nameAnswer(name string) []byte {
	return append(strconv.AppendQuote([]byte(`{"name":`), name), '}')
}

// library is what the application asks of a session library for net/http.
type library struct {
	wrap     func(http.Handler) http.Handler // all routes; nil: nothing
	readOnly func(http.Handler) http.Handler // ReadOnly besides; nil: nothing
	login    func(http.ResponseWriter, *http.Request, Content) error
	name     func(http.ResponseWriter, *http.Request) (string, error) // empty: no session
	turn     func(http.ResponseWriter, *http.Request) (cart []string, err error)
	state    func() any // nil: no such route
}

// app is the application on a library.
func app(l library) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Login, func(w http.ResponseWriter, r *http.Request) {
		shape, err := shapeOf(r.URL.Query())
		if err == nil {
			err = l.login(w, r, shape.New())
		}
		respond(w, []byte(`{}`), err)
	})
	mux.HandleFunc("GET "+Food, func(w http.ResponseWriter, _ *http.Request) { respond(w, FoodAnswer, nil) })
	var user http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, err := l.name(w, r)
		respond(w, nameAnswer(name), err)
	})
	mux.Handle("GET "+User, user)
	if l.readOnly != nil {
		user = l.readOnly(user)
	}
	mux.Handle("GET "+ReadOnly, user)
	mux.HandleFunc("POST "+Cart, func(w http.ResponseWriter, r *http.Request) {
		cart, err := l.turn(w, r)
		respond(w, CartAnswer(cart), err)
	})
	if l.state != nil {
		mux.HandleFunc("GET "+State, func(w http.ResponseWriter, _ *http.Request) { writeState(w, l.state()) })
	}
	if l.wrap == nil {
		return mux
	}
	return l.wrap(mux)
}

var jsonType = []string{"application/json"}

func respond(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(body)
}
