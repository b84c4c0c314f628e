package express_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

// beside is a Go program with a visitor who has a backup, beside a Node program
// that saves what it likes.
type beside struct {
	t       *testing.T
	store   *memstore.Store
	faulty  *storetest.Faulty // the same, as the Go program sees it
	m       *session.Manager
	handler http.Handler
	cookies map[string]string
	id      session.ID
	during  func() // what Node does while a Go request runs
}

var (
	fieldA = session.NewKey[json.RawMessage]("a")
	fieldB = session.NewKey[json.RawMessage]("b")
	none   = json.RawMessage("none")
)

// withNode runs a test with a session that Node has made.
func withNode(t *testing.T, test func(t *testing.T, b *beside)) {
	synctest.Test(t, func(t *testing.T) {
		key := make([]byte, 32)
		rand.Read(key)
		keys, err := seal.ParseKeys(base64.StdEncoding.EncodeToString(key))
		if err != nil {
			t.Fatal(err)
		}
		s, err := express.NewSecrets([]byte("keyboard cat"))
		if err != nil {
			t.Fatal(err)
		}
		p := &express.Profile{Secrets: s, Cookie: `{"maxAge":3600000}`}
		o, err := p.Options()
		if err != nil {
			t.Fatal(err)
		}
		o.Backup = &session.Backup{Keys: keys, Audience: "shop-test"}
		b := &beside{t: t, store: memstore.New(nil), id: "visitor", cookies: map[string]string{}}
		b.cookies["connect.sid"] = strings.NewReplacer(":", "%3A", "+", "%2B", "/", "%2F").Replace(s.Sign("visitor"))
		b.faulty = storetest.NewFaulty(b.store)
		if b.m, err = session.New(b.faulty, o); err != nil {
			t.Fatal(err)
		}
		defer b.m.Close(t.Context())
		time.Sleep(10 * time.Second) // a new store is not believed at first
		b.handler = p.Handler(b.m, http.HandlerFunc(b.serve))
		b.node(`{"cookie":{"originalMaxAge":3600000,"expires":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"},"a":5}`)
		test(t, b)
	})
}

// serve sets what the query says, and answers with a and b.
func (b *beside) serve(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	if b.during != nil {
		b.during()
	}
	for name, key := range map[string]session.Key[json.RawMessage]{"a": fieldA, "b": fieldB} {
		if r.URL.Query().Has(name) {
			key.Set(s, json.RawMessage(r.URL.Query().Get(name)))
		}
	}
	if _, err := s.Save(r.Context()); err != nil {
		session.Error(w, r, err)
		return
	}
	fmt.Fprintf(w, "a=%s b=%s", fieldA.Or(s, none), fieldB.Or(s, none))
}

// asks sends the visitor's next request to the Go program.
func (b *beside) asks(query, want string) {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/?"+query, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	synctest.Wait()
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 || c.Value == "" {
			delete(b.cookies, c.Name)
		}
	}
	if got := strings.TrimSpace(w.Body.String()); got != want {
		b.t.Errorf("%q: got %s, want %s", query, got, want)
	}
	time.Sleep(time.Second)
}

// stored is what Node reads.
func (b *beside) stored() string {
	b.t.Helper()
	r, err := b.store.Load(b.t.Context(), b.id)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(r.Data)
}

// node saves over whatever stands there.
func (b *beside) node(record string) {
	b.t.Helper()
	r := session.Record{Data: []byte(record), Expires: time.Now().Add(time.Hour)}
	if _, err := b.store.Save(b.t.Context(), b.id, r, session.Any); err != nil {
		b.t.Fatal(err)
	}
}

// edit is a request of Node's that changes one field; null removes it.
func (b *beside) edit(name, value string) {
	b.t.Helper()
	b.node(edited(b.t, b.stored(), func(m map[string]json.RawMessage) {
		if m[name] = json.RawMessage(value); value == "null" {
			delete(m, name)
		}
	}))
}

func TestTheLastOfNodesValuesCounts(t *testing.T) {
	withNode(t, func(_ *testing.T, b *beside) {
		b.asks("", "a=5 b=none")
		for _, value := range []string{"9", "1", "7", "10", "2"} { // larger and smaller bytes
			b.edit("a", value)
			b.asks("", "a="+value+" b=none")
		}
		b.edit("b", "3")
		b.asks("", "a=2 b=3")
		b.edit("b", "null")
		b.asks("", "a=2 b=none")
	})
}

func TestWhatNodeWritesDuringAGoRequestStays(t *testing.T) {
	withNode(t, func(_ *testing.T, b *beside) {
		for _, value := range []string{"9", "1", "8", "2"} {
			b.during = func() { b.edit("a", value) }
			b.asks("b="+value, "a="+value+" b="+value)
		}
		b.during = func() { b.edit("a", "null") }
		b.asks("b=6", "a=none b=6")
	})
}

func TestWhatAnOlderCopyOfNodesUndidIsBack(t *testing.T) {
	withNode(t, func(t *testing.T, b *beside) {
		b.asks("", "a=5 b=none")
		older := b.stored() // a slow request of Node's has read this
		b.asks("a=6&b=7", "a=6 b=7")
		b.node(older)
		b.asks("", "a=6 b=7")
		if got := b.stored(); !strings.Contains(got, `"a":6`) || !strings.Contains(got, `"b":7`) {
			t.Errorf("Node has %s", got)
		}
	})
}

func TestASessionThatNodeClearsStaysClear(t *testing.T) {
	withNode(t, func(_ *testing.T, b *beside) {
		b.asks("a=6&b=7", "a=6 b=7")
		b.node(`{"cookie":{"originalMaxAge":3600000}}`)
		b.asks("", "a=none b=none")
		b.asks("b=1", "a=none b=1")
	})
}

func TestALogoutThatNodeUndoesIsDoneAgain(t *testing.T) {
	withNode(t, func(t *testing.T, b *beside) {
		b.asks("b=1", "a=5 b=1")
		older := b.stored()
		if _, err := b.m.Revoke(t.Context(), b.id); err != nil {
			t.Fatal(err)
		}
		b.node(older)
		b.asks("", "a=none b=none")
		if got := strings.TrimSpace(b.stored()); got != "null" {
			t.Errorf("Node has %s, want no session", got)
		}
	})
}

// Node leaves no tombstones: where it has ended a session there is nothing, and a store
// that may just have lost its memory has nothing either. A visitor whom Node has logged
// out stays out, and gets no answer saying that a write was kept which would never be
// seen.
func TestWhomNodeLoggedOutStaysOutWhenTheStoreMayHaveLostItsMemory(t *testing.T) {
	withNode(t, func(t *testing.T, b *beside) {
		b.asks("b=1", "a=5 b=1")
		// A tombstone of Node's: nothing.
		over := session.Record{Data: []byte("{}"), Expires: time.Now().Add(-time.Hour)}
		if _, err := b.store.Save(t.Context(), b.id, over, session.Any); err != nil {
			t.Fatal(err)
		}
		b.faulty.Replace(b.store) // with another incarnation
		time.Sleep(1500 * time.Millisecond)
		quarantined := false
		for _, shard := range b.m.Stats().Shards {
			quarantined = quarantined || shard.Quarantine > 0
		}
		if !quarantined {
			t.Fatal("the store is believed")
		}
		b.asks("", "a=none b=none")
		b.asks("b=2", "a=none b=2") // a session of its own
		if got := b.cookies["connect.sid"]; strings.Contains(got, "visitor") {
			t.Errorf("the cookie is still %s", got)
		}
		if st := b.m.Stats(); st.Degraded != 0 || st.Journal.States != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A write that waited for the store is delivered on top of the values that Node has saved
// meanwhile, and does not undo them.
func TestWhatNodeWritesInAnOutageOfTheGoProgramStays(t *testing.T) {
	for value, want := range map[string]string{"8": "8", "1": "1", "null": "none"} {
		withNode(t, func(t *testing.T, b *beside) {
			b.asks("", "a=5 b=none")
			b.edit("a", "7") // which has no dot in the record, and neither has what follows
			b.during = func() { b.faulty.Fail(errors.New("away")) }
			b.asks("b=2", "a=7 b=2")
			b.during = nil
			b.edit("a", value)
			b.faulty.Heal()
			time.Sleep(20 * time.Second)
			got := b.stored()
			if !strings.Contains(got, `"b":2`) {
				t.Errorf("Node has %s, without what was written in the outage", got)
			}
			b.asks("", "a="+want+" b=2")
			b.cookies = map[string]string{"connect.sid": b.cookies["connect.sid"]}
			b.asks("", "a="+want+" b=2")
		})
	}
}
