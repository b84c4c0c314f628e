package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// A shop moves from sessions of its own, which are in a map under the value of the cookie
// "sid". No visitor is logged out.
func ExampleAdopt() {
	type oldSession struct {
		items []string
		until time.Time
	}
	old := map[string]oldSession{"f3a90c7e": {[]string{"rye bread"}, time.Now().Add(time.Hour)}}

	sessions, err := session.New(memstore.New(nil), &session.Options{
		Cookie: session.Cookie{Insecure: true}, // httptest.NewServer has no TLS
		Adopt: &session.Adopt{
			Cookie: "sid",
			Read: func(r *http.Request, s *session.Session) (time.Time, error) {
				sid, err := r.Cookie("sid")
				if err != nil {
					return time.Time{}, session.ErrNoSession
				}
				o, found := old[sid.Value]
				if !found || time.Now().After(o.until) {
					return time.Time{}, session.ErrNoSession
				}
				cart.Set(s, Cart{Items: o.items})
				return o.until, nil
			},
			End: func(r *http.Request) error {
				if sid, err := r.Cookie("sid"); err == nil {
					delete(old, sid.Value)
				}
				return nil
			},
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cart", show)
	server := httptest.NewServer(sessions.Handler(mux))
	defer server.Close()

	r, _ := http.NewRequest(http.MethodGet, server.URL+"/cart", nil)
	r.AddCookie(&http.Cookie{Name: "sid", Value: "f3a90c7e"})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		fmt.Println(c.Name, "deleted:", c.MaxAge < 0)
	}
	fmt.Println(len(old), "old sessions are left")
	// Output:
	// sid deleted: true
	// session deleted: false
	// 0 old sessions are left
}
