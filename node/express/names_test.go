package express_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
)

// noting is a store that notes which records were saved.
type noting struct {
	session.Store
	mu  sync.Mutex
	ids map[session.ID]bool
}

func (n *noting) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	n.mu.Lock()
	n.ids[id] = true
	n.mu.Unlock()
	return n.Store.Save(ctx, id, r, over)
}

// The Express application keeps something under "/user" and "a/b". It is that application's, and no
// entry of this library.
func TestAFieldWithASlashIsTheOtherSystems(t *testing.T) {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	store := &noting{Store: memstore.New(nil), ids: map[session.ID]bool{}}
	p := &express.Profile{Secrets: secrets, Cookie: minute}
	o, err := p.Options()
	if err != nil {
		t.Fatal(err)
	}
	var told []session.Ending
	o.Hooks.Ended = func(_ context.Context, e session.Ending) { told = append(told, e) }
	m, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	record := `{"cookie":{"originalMaxAge":60000,"expires":"` + time.Now().Add(time.Minute).UTC().Format("2006-01-02T15:04:05.000Z") + `","httpOnly":true,"path":"/"},"/user":"0123456789abcdef the secret of a visitor","a/b":7,"c":8}`
	if _, err := store.Store.Save(t.Context(), "apple", session.Record{Data: []byte(record), Expires: time.Now().Add(time.Minute)}, session.Any); err != nil {
		t.Fatal(err)
	}
	v, err := m.Open(t.Context(), "apple")
	if err != nil {
		t.Fatal(err)
	}
	if v.User != "" || !v.LoggedIn.IsZero() {
		t.Errorf("Open: user %q, logged in %v", v.User, v.LoggedIn)
	}
	if names := strings.Join(v.Names(), " "); names != "/user a/b c" {
		t.Errorf("Names: %s", names)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "connect.sid="+secrets.Sign("apple"))
	m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if s.ID() != "apple" {
			t.Error("no session")
		}
		if _, err := s.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	}).ServeHTTP(httptest.NewRecorder(), r)
	if len(told) != 1 || told[0].User != "" {
		t.Errorf("Hooks.Ended was told %+v, want an end of nobody's session", told)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for id := range store.ids {
		if id != "apple" {
			t.Errorf("the record %s was written beside those of Express", id)
		}
	}
}
