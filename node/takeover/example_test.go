package takeover_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/takeover"
)

// The old site has its sessions in a cookie of client-sessions, named "state".
func Example() {
	codec, err := clientsessions.New(clientsessions.Options{Name: "state", Secret: []byte("the old site's secret")})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{Adopt: takeover.ClientSessions(codec).Adopt()})
	if err != nil {
		log.Fatal(err)
	}
	site := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		fmt.Fprint(w, user.Or(s, "nobody"))
	}))

	value, err := codec.Encode(clientsessions.Box{Content: []byte(`{"user":"bob"}`)}) // as the old site has made it
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "state", Value: value})
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	fmt.Println(w.Body)
	for _, c := range w.Result().Cookies() {
		fmt.Println(c.Name, c.MaxAge)
	}
	// Output:
	// bob
	// state -1
	// __Host-session 0
}
