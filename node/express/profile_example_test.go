package express_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
)

// The Express application says
//
//	session({ secret: ['keyboard cat'], resave: false, saveUninitialized: false, cookie: { maxAge: 3600000 } })
func ExampleProfile() {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		log.Fatal(err)
	}
	profile := &express.Profile{Secrets: secrets, Cookie: `{"maxAge": 3600000}`}
	options, err := profile.Options()
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New(nil) // redisstore.New(client, redisstore.Raw(), redisstore.Prefix("sess:"))
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}

	user := session.NewKey[string]("user") // req.session.user
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.From(r.Context()); err == nil {
			s.Renew()
			user.Set(s, "bob")
		}
	})

	w := httptest.NewRecorder()
	profile.Handler(sessions, mux).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login", nil))
	cookie := w.Result().Cookies()[0]
	_, _, ok := secrets.Read(cookie.Name+"="+cookie.Value, "connect.sid")
	fmt.Println(cookie.Name, ok)
	// Output: connect.sid true
}
