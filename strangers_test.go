package session_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// sessionsIn is how many records of sessions the store holds, ended ones too.
func sessionsIn(t *testing.T, store session.Lister) (n int) {
	t.Helper()
	for id, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hex.DecodeString(string(id)); err == nil && len(id) == 32 { // else it is the library's own
			n++
		}
	}
	return n
}

func madeUp() string {
	b := make([]byte, 32)
	rand.Read(b)
	return "__Host-session=" + base64.RawURLEncoding.EncodeToString(b)
}

// A stranger who makes up tokens makes no records, whichever route they ask.
func TestWhatStrangersEndMakesNoRecord(t *testing.T) {
	logout := func(t *testing.T, s *session.Session, r *http.Request) {
		if _, err := s.Destroy(r.Context()); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	}
	send := func(t *testing.T, m *session.Manager, cookie string, f func(*testing.T, *session.Session, *http.Request)) http.Header {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/logout", nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			f(t, s, r)
		})).ServeHTTP(w, r)
		return w.Header()
	}
	t.Run("a logout without a backup", func(t *testing.T) {
		store := memstore.New(nil)
		m := mustNew(t, store, nil)
		for range 100 {
			h := send(t, m, madeUp(), logout)
			if len(h["Set-Cookie"]) != 1 {
				t.Errorf("cookies: %q, want the token cleared", h["Set-Cookie"])
			}
		}
		if n := sessionsIn(t, store); n != 0 {
			t.Errorf("100 logouts made %d records", n)
		}
	})
	t.Run("a logout with a backup", func(t *testing.T) {
		testSite(t, session.Options{}, func(s *site) {
			before := s.store.Saves()
			for range 100 {
				send(t, s.a, madeUp(), logout)
			}
			if n := s.store.Saves() - before; n != 0 {
				t.Errorf("100 logouts made %d saves", n)
			}
			if st := s.a.Stats().Journal; st.Tombstones != 0 {
				t.Errorf("owed: %+v", st)
			}
			s.store.Replace(memstore.New(nil)) // nor later, where others' tombstones are published again
			s.after(20 * time.Second)
			if n := sessionsIn(t, s.store); n != 0 {
				t.Errorf("100 logouts made %d records after a restart of the store", n)
			}
		})
	})
	t.Run("a login by StartNew", func(t *testing.T) {
		for name, o := range map[string]*session.Options{"without a backup": nil, "with": {}} {
			t.Run(name, func(t *testing.T) {
				store := memstore.New(nil)
				if o != nil {
					o.Backup = testBackup(t)
				}
				m := mustNew(t, store, o)
				r := httptest.NewRequest(http.MethodPost, "/login", nil)
				r.Header.Set("Cookie", madeUp())
				w := httptest.NewRecorder()
				m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					s, err := session.StartNew(r.Context())
					if err != nil {
						t.Error(err)
					}
					user.Set(s, "mallory")
				})).ServeHTTP(w, r)
				if n := sessionsIn(t, store); n != 1 || w.Code != 200 {
					t.Errorf("a login made %d records, want its own; status %d", n, w.Code)
				}
			})
		}
	})
	t.Run("a logout in an outage", func(t *testing.T) {
		testSite(t, session.Options{}, func(s *site) {
			s.store.Fail(errRefused)
			var cookies []string
			for range 20 {
				token := madeUp()
				h := send(t, s.a, token, logout)
				for _, line := range h["Set-Cookie"] {
					if c, err := http.ParseSetCookie(line); err == nil && c.MaxAge >= 0 {
						cookies = append(cookies, token+"; "+c.Name+"="+c.Value)
					}
				}
			}
			if len(cookies) != 20 {
				t.Fatalf("%d of 20 got the cookie that carries a logout back", len(cookies))
			}
			s.store.Heal()
			s.after(20 * time.Second)
			for _, cookie := range cookies { // and on another instance
				send(t, s.b, cookie, func(*testing.T, *session.Session, *http.Request) {})
			}
			s.after(20 * time.Second)
			if n := sessionsIn(t, s.store); n != 0 {
				t.Errorf("20 logouts in an outage made %d records", n)
			}
			if a, b := s.a.Stats().Journal, s.b.Stats().Journal; a.Tombstones+b.Tombstones != 0 {
				t.Errorf("owed: %+v, %+v", a, b)
			}
		})
	})
	t.Run("but a store that lost its memory is told", func(t *testing.T) {
		testSite(t, session.Options{}, func(s *site) {
			v := s.visitor()
			jar := v.Request(http.MethodGet, "/", nil).Header.Get("Cookie")
			token := v.Request(http.MethodGet, "/", nil).CookiesNamed("__Host-session")[0]
			s.store.Fail(errRefused)
			send(t, s.a, "__Host-session="+token.Value, logout) // without the copy
			s.store.Replace(memstore.New(nil))
			s.store.Heal()
			s.after(20 * time.Second)
			send(t, s.b, jar, func(t *testing.T, x *session.Session, _ *http.Request) { // a thief's
				if x.ID() != "" {
					t.Error("a copy of before has revived the session")
				}
			})
		})
	})
}
