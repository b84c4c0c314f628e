package gorillabridge_test

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

// With redistore and gin-contrib the same handlers answer 200 as to a stranger, and
// the save replaces the visitor's session by an empty one.
func TestAHandlerThatIgnoresErrorsCannotLoseTheSession(t *testing.T) {
	handlers := map[string]func(*bridged) http.HandlerFunc{
		"reads": func(s *bridged) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				g, _ := s.store.Get(r, "cart")
				if len(g.Values) != 0 || !g.IsNew || g.ID != "" {
					t.Errorf("values of an unknown session: %v, ID %q", g.Values, g.ID)
				}
				io.WriteString(w, "a page for strangers")
			}
		},
		"writes": func(s *bridged) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				g, _ := s.store.Get(r, "cart")
				g.Values["new"] = 1
				_ = g.Save(r, w)
				io.WriteString(w, "saved")
			}
		},
		"deletes": func(s *bridged) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				g, _ := s.store.Get(r, "cart")
				g.Options.MaxAge = -1
				_ = g.Save(r, w)
				io.WriteString(w, "bye")
			}
		},
		"writes without Get": func(s *bridged) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				g := sessions.NewSession(s.store, "cart")
				g.Values["new"] = 1
				_ = g.Save(r, w)
				io.WriteString(w, "saved")
			}
		},
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			s := bridge(t, nil, nil)
			b := s.visitor()
			b.put("cart", "items", 3)
			s.faulty.Fail(errors.New("connection refused"))
			if status, body := b.do(handler(s)); status != http.StatusServiceUnavailable {
				t.Errorf("status %d, body %q", status, body)
			}
			s.faulty.Heal()
			b.with("cart", func(g *sessions.Session) bool {
				if want := map[any]any{"items": 3}; !reflect.DeepEqual(g.Values, want) {
					t.Errorf("got %v, want %v", g.Values, want)
				}
				return false
			})
		})
	}
}

func TestErrorsSayWhy(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.put("cart", "items", 3)
	s.faulty.Fail(errors.New("connection refused"))
	b.do(func(w http.ResponseWriter, r *http.Request) {
		g, err := s.store.Get(r, "cart")
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Get: %v", err)
		}
		g.Values["k"] = 1
		if err := g.Save(r, w); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Save: %v", err)
		}
	})
	s.faulty.Heal()

	save := func(maxAge int, want error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			g, err := s.store.Get(r, "cart")
			if err != nil {
				t.Errorf("Get: %v", err)
			}
			g.Values["k"], g.Options.MaxAge = 1, maxAge
			if err := g.Save(r, w); !errors.Is(err, want) {
				t.Errorf("Save: %v, want %v", err, want)
			}
		}
	}
	b.do(s.sessions.ReadOnlyFunc(save(0, session.ErrReadOnly)))
	b.do(s.sessions.ReadOnlyFunc(save(-1, session.ErrReadOnly)))
	stranger := s.visitor()
	stranger.do(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		save(0, session.ErrTooLate)(w, r)
	})
	b.with("cart", func(g *sessions.Session) bool {
		if want := map[any]any{"items": 3}; !reflect.DeepEqual(g.Values, want) {
			t.Errorf("got %v, want %v", g.Values, want)
		}
		return false
	})
}

func TestASaveAfterTheHeaderIsKept(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.put("cart", "a", 1)
	b.do(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "the header is written")
		g, _ := s.store.Get(r, "cart")
		g.Values["b"] = 2
		if err := g.Save(r, w); err != nil {
			t.Error(err)
		}
	})
	b.holds("cart", "b", 2)
}

func TestVisitorsAreServedFromTheBackup(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	backup := &session.Backup{Keys: keys, Audience: "test"}
	s := bridge(t, nil, backup)
	b := s.visitor()
	b.put("cart", "items", 3)
	s.faulty.Fail(errors.New("connection refused"))
	b.put("cart", "more", 4)
	b.with("cart", func(g *sessions.Session) bool {
		if want := map[any]any{"items": 3, "more": 4}; !reflect.DeepEqual(g.Values, want) {
			t.Errorf("got %v, want %v", g.Values, want)
		}
		return false
	})
	s.faulty.Heal()
	timeleft.Poll(t, "the store serves again, if it was taken for away", func() bool {
		return !slices.ContainsFunc(s.sessions.Stats().Shards, func(x session.ShardStats) bool { return x.State != session.Serving })
	})

	// A value that the copy has no room for is unknown meanwhile, and not empty.
	large := ""
	for range 300 { // 8 KB that no compression makes small
		large += rand.Text()
	}
	b.put("large", "text", large)
	s.faulty.Fail(errors.New("connection refused"))
	other := instance(t, s.faulty, nil, backup) // which has not saved it lately
	status, body := b.at(other).do(func(_ http.ResponseWriter, r *http.Request) {
		if g, err := other.store.Get(r, "large"); !errors.Is(err, session.ErrUnavailable) || len(g.Values) != 0 {
			t.Errorf("Get: %v, %d values", err, len(g.Values))
		}
	})
	if status != http.StatusServiceUnavailable {
		t.Errorf("status %d, body %q", status, body)
	}
}

func TestOptionsOfAKeyAreUsed(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	backup := &session.Backup{Keys: keys, Audience: "test"}
	o := &gorillabridge.Options{Key: func(name string) []session.KeyOption {
		if name == "secret" {
			return []session.KeyOption{session.ServerOnly()}
		}
		return nil
	}}
	s := bridge(t, o, backup)
	b := s.visitor()
	b.put("cart", "items", 3)
	b.put("secret", "k", 1)
	s.faulty.Fail(errors.New("connection refused"))
	other := instance(t, s.faulty, o, backup) // which has not saved it lately
	b.at(other).holds("cart", "items", 3)
	b.at(other).do(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := other.store.Get(r, "secret"); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("a value that stays in the store: %v", err)
		}
	})
}
