package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

var blob = session.NewKey[string]("blob", session.Uncompressed())

// grower is an application whose session is as large as it is asked to be.
type grower struct {
	*httptest.Server
	store    *storetest.Faulty
	sessions *session.Manager
	gates    sync.Map // of requests that wait, by their name
	onset    func()   // is called once all of the requests of together have loaded, if not nil
}

func startGrower(t *testing.T, b session.Backup) *grower {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	b.Keys, b.Audience = keys, "e2e"
	store := storetest.NewFaulty(memstore.New(nil))
	m, err := session.New(store, &session.Options{
		Backup: &b, ReadTimeout: patience, SaveTimeout: patience, Cookie: session.Cookie{Persistent: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	g := &grower{store: store, sessions: m}
	g.Server = httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		// What a careful handler sets.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'")
		w.Header().Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		if n, _ := strconv.Atoi(r.FormValue("policy")); n > 0 {
			w.Header().Set("Content-Security-Policy", "default-src 'self' https://"+strings.Repeat("p", n)+".test")
		}
		if name := r.FormValue("wait"); name != "" {
			v, _ := g.gates.Load(name)
			wait := v.(*gate)
			wait.loaded.Done()
			<-wait.open
		}
		switch r.URL.Path {
		case "/set":
			n, _ := strconv.Atoi(r.FormValue("n"))
			blob.Set(s, strings.Repeat("x", n))
		case "/login":
			s.Renew()
			blob.Set(s, "in")
		case "/logout":
			if _, err := s.Destroy(r.Context()); err != nil {
				session.Error(w, r, err)
			}
		}
	})))
	t.Cleanup(g.Close)
	return g
}

type gate struct {
	loaded *sync.WaitGroup
	open   chan struct{}
}

// together sends a request each for sessions of these sizes, all with the same
// cookies. They are answered one after the other, in the order given, and the
// answers arrive in another one.
func (g *grower) together(c *crumbs, round int, sizes ...int) (answers []*http.Response) {
	var loaded sync.WaitGroup
	loaded.Add(len(sizes))
	answers = make([]*http.Response, len(sizes))
	done := make([]chan struct{}, len(sizes))
	gates := make([]chan struct{}, len(sizes))
	for i, n := range sizes {
		name := fmt.Sprint(round, ".", i)
		gates[i], done[i] = make(chan struct{}), make(chan struct{})
		g.gates.Store(name, &gate{&loaded, gates[i]})
		snapshot := &crumbs{t: c.t, url: c.url, others: c.others, held: c.held}
		go func() {
			defer close(done[i])
			answers[i] = snapshot.send("GET", fmt.Sprintf("/set?n=%d&wait=%s", n, name), "")
		}()
	}
	loaded.Wait()
	if g.onset != nil {
		g.onset()
	}
	for i := range sizes {
		close(gates[i])
		<-done[i]
	}
	return answers
}
