package urltoken_test

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/urltoken"
)

var visits = session.NewKey[int]("visits")

// A site for devices that keep no cookies: the template's links have the token.
func Example() {
	keys, err := seal.NewKeys(seal.NewKey()) // in earnest seal.KeysFromEnv
	if err != nil {
		panic(err)
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{
		InsecureURLToken: &urltoken.Options{
			Keys: keys, Audience: "kiosk-production",
			Only: func(r *http.Request) bool { return strings.HasPrefix(r.UserAgent(), "Kiosk/") },
		},
	})
	if err != nil {
		panic(err)
	}
	page := template.Must(template.New("").Parse(`visit {{.Visits}}, <a href="{{.Links.To "/again"}}">again</a>`))
	site := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		visits.Update(s, func(n *int) error { *n++; return nil })
		page.Execute(w, struct {
			Visits int
			Links  urltoken.Links
		}{visits.Or(s, 0), urltoken.In(r.Context())})
	})

	// A device follows the link.
	to := "/"
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "https://shop.test"+to, nil)
		r.Header.Set("User-Agent", "Kiosk/2.1")
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		text, link, _ := strings.Cut(w.Body.String(), `<a href="`)
		to, _, _ = strings.Cut(link, `"`)
		u, _ := url.Parse(to)
		fmt.Println(text, "the link has a token:", u.Query().Has("session"))
	}
	// Output:
	// visit 1,  the link has a token: true
	// visit 2,  the link has a token: true
	// visit 3,  the link has a token: true
}

// An answer that is not rendered by a template, such as JSON for an application that navigates
// by itself.
func ExampleLink() {
	sessions, err := session.New(memstore.New(nil), nil) // off by default
	if err != nil {
		panic(err)
	}
	next := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(urltoken.Link(r.Context(), "/next"))
	})
	next.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://shop.test/", nil))
	// Output: /next
}

// A form with the method GET loses the query of its action, so the token goes into a hidden field.
func ExampleLinks() {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		panic(err)
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{
		InsecureURLToken: &urltoken.Options{Keys: keys, Audience: "kiosk-production", Param: "s", Idle: 2 * time.Minute},
	})
	if err != nil {
		panic(err)
	}
	site := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		visits.Set(s, 1)
		links := urltoken.In(r.Context())
		fmt.Println("hidden field:", links.Param(), links.Value() != "")
		fmt.Println("another site's:", links.To("https://other.test/"))
	})
	site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://shop.test/", nil))
	// Output:
	// hidden field: s true
	// another site's: https://other.test/
}
