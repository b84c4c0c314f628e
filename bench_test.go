package session_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// BenchmarkStep measures what each thing that can happen to a request takes in
// the process, with a session of 5 KB and a store that costs next to nothing:
// the handler is called as a server calls it.
//
//	make bench-compare REF=main~1 BENCH=Step
func BenchmarkStep(b *testing.B) {
	b.Run("bare", func(b *testing.B) { step{handler: bare}.run(b, false) })
	for _, s := range []step{
		{name: "untouched", handler: bare},
		{name: "anonymous", handler: get, anonymous: true},
		{name: "read", handler: get},
		{name: "read only", handler: get, readOnly: true},
		{name: "one key of 200", handler: get, keys: 200},
		{name: "same value", handler: setSame},
		{name: "write", handler: countUp},
		{name: "new session", handler: countUp, anonymous: true},
		{name: "login", handler: logInAgain},
		{name: "logout", handler: logOut},
		{name: "refresh due", handler: get, refresh: time.Millisecond},
	} {
		b.Run(s.name, func(b *testing.B) { s.run(b, true) })
	}
	// Open and seal: the copy in the cookies is opened by every request that
	// asks for its session, and sealed where something has changed.
	for _, s := range []step{
		{name: "untouched", handler: bare},
		{name: "anonymous", handler: get, anonymous: true},
		{name: "read", handler: get},
		{name: "same value", handler: setSame},
		{name: "write", handler: countUp},
		{name: "new session", handler: countUp, anonymous: true},
		{name: "login", handler: logInAgain},
		{name: "degraded read", handler: get, killed: true},
		{name: "degraded write", handler: countUp, killed: true},
		{name: "degraded login", handler: logInAgain, killed: true},
	} {
		s.backup = true
		b.Run("backup/"+s.name, func(b *testing.B) { s.run(b, true) })
	}
}

// step is one way for a request to go.
type step struct {
	name      string
	handler   http.HandlerFunc
	anonymous bool
	readOnly  bool
	keys      int // besides the usual three
	refresh   time.Duration
	backup    bool
	killed    bool // the store, when the visitor has a session
}

func (s step) run(b *testing.B, wrapped bool) {
	store := &still{}
	o := &session.Options{Refresh: s.refresh}
	if s.backup {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			b.Fatal(err)
		}
		o.Backup = &session.Backup{Audience: "shop-test", Keys: keys}
	}
	m, err := session.New(store, o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_ = m.Close(ctx) // what a killed store is owed stays
	}()

	visitor := sessiontest.NewVisitor(b, m)
	if !s.anonymous {
		visitor = sessiontest.NewVisitor(b, m, func(sn *session.Session) {
			count.Set(sn, 7)
			text.Set(sn, "small")
			user.Set(sn, strings.Repeat("x", 5000))
			for i := range s.keys {
				name := "k" + string(rune('a'+i/26)) + string(rune('a'+i%26))
				session.NewKey[int](name).Set(sn, i)
			}
		})
	}
	r, w := visitor.Request(http.MethodGet, "/", nil), &counting{nullWriter: nullWriter{http.Header{}}}
	var h http.Handler = s.handler
	if wrapped {
		h = m.Handler(h)
	}
	if s.readOnly {
		h = m.ReadOnly(h)
	}
	if s.refresh > 0 {
		for begin := time.Now(); time.Since(begin) <= s.refresh; { // what stands is never newer than now
		}
	}
	if s.killed {
		store.away.Store(true)
		for range 100 { // until it is noticed
			clear(w.h)
			h.ServeHTTP(w, r)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
	b.StopTimer()
	if w.failed > 0 {
		b.Fatalf("%d answers of failure", w.failed)
	}
	if got := m.Stats().Degraded > 0; got != s.killed {
		b.Fatalf("degraded: got %v, want %v", got, s.killed)
	}
}

func get(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	if _, err := count.Get(s); err != nil && !errors.Is(err, session.ErrNoValue) {
		session.Error(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func setSame(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context())
	count.Set(s, 7)
	w.WriteHeader(http.StatusOK)
}

func countUp(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context())
	count.Update(s, func(n *int) error { *n++; return nil })
	w.WriteHeader(http.StatusOK)
}

func logInAgain(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context())
	s.Renew()
	count.Update(s, func(n *int) error { *n++; return nil })
	w.WriteHeader(http.StatusOK)
}

func logOut(w http.ResponseWriter, r *http.Request) {
	s, _ := session.From(r.Context())
	if _, err := s.Destroy(r.Context()); err != nil {
		session.Error(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// counting notices answers of failure, which would be fast.
type counting struct {
	nullWriter
	failed int
}

func (w *counting) WriteHeader(code int) {
	if code != http.StatusOK {
		w.failed++
	}
}

// still is a store that keeps the first record it is given and takes all that
// follow for granted, so that every round finds the same, however many there
// are.
type still struct {
	first  atomic.Pointer[session.Record]
	id     session.ID
	writes atomic.Uint64
	away   atomic.Bool
}

var errAwayForGood = errors.New("the store is away")

func (s *still) Load(_ context.Context, id session.ID) (session.Record, error) {
	switch r := s.first.Load(); {
	case s.away.Load():
		return session.Record{}, errAwayForGood
	case r == nil || id != s.id:
		return session.Record{}, session.ErrNotFound
	default:
		return *r, nil
	}
}

func (s *still) Save(_ context.Context, id session.ID, r session.Record, _ session.Version) (v session.Version, err error) {
	if s.away.Load() {
		return v, errAwayForGood
	}
	binary.BigEndian.PutUint64(v[8:], s.writes.Add(1))
	if r.Version = v; s.first.Load() == nil && !reserved(id) {
		s.id = id
		r.Data = append([]byte(nil), r.Data...)
		s.first.Store(&r)
	}
	return v, nil
}
