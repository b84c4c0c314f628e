package gorillabridge_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
)

// What gorilla's own tests ask of its stores, and what its users rely on. Each case
// runs on those stores and on the bridge.

func TestValuesOfAnyTypeComeBack(t *testing.T) {
	values := map[any]any{
		"name": "bob", "items": 3, "rate": 1.5, "on": true, "raw": []byte("x"),
		7: "a key that is no string", "who": profile{"bob", map[string]int{"admin": 1, "editor": 2}},
	}
	each(t, func(s *site) {
		b := s.visitor()
		b.with("cart", func(g *sessions.Session) bool {
			if !g.IsNew || len(g.Values) != 0 || g.Name() != "cart" || g.Store() != s.store {
				s.t.Errorf("IsNew %v, values %v, name %q", g.IsNew, g.Values, g.Name())
			}
			for k, v := range values {
				g.Values[k] = v
			}
			return true
		})
		b.with("cart", func(g *sessions.Session) bool {
			if g.IsNew || !reflect.DeepEqual(g.Values, values) {
				s.t.Errorf("IsNew %v, got %v, want %v", g.IsNew, g.Values, values)
			}
			return false
		})
		s.visitor().with("cart", func(g *sessions.Session) bool {
			if !g.IsNew || len(g.Values) != 0 {
				s.t.Errorf("a stranger gets IsNew %v, %v", g.IsNew, g.Values)
			}
			return false
		})
	})
}

func TestFlashesAreShownOnce(t *testing.T) {
	each(t, func(s *site) {
		b := s.visitor()
		b.with("flash", func(g *sessions.Session) bool {
			if f := g.Flashes(); len(f) != 0 {
				s.t.Errorf("flashes %v before there is one", f)
			}
			g.AddFlash("one")
			g.AddFlash(profile{Name: "two"})
			g.AddFlash("three", "other")
			return true
		})
		want := func(flashes []any, want ...any) {
			if len(flashes) != len(want) || len(want) > 0 && !reflect.DeepEqual(flashes, want) {
				s.t.Errorf("got %v, want %v", flashes, want)
			}
		}
		b.with("flash", func(g *sessions.Session) bool {
			want(g.Flashes(), "one", profile{Name: "two"})
			want(g.Flashes())
			return true
		})
		b.with("flash", func(g *sessions.Session) bool {
			want(g.Flashes())
			want(g.Flashes("other"), "three")
			return false // not saved: it is shown again
		})
		b.with("flash", func(g *sessions.Session) bool {
			want(g.Flashes("other"), "three")
			return true
		})
		b.with("flash", func(g *sessions.Session) bool {
			want(g.Flashes("other"))
			return false
		})
	})
}

func TestAValueThatIsDeletedOrChangedInPlaceIsSaved(t *testing.T) {
	each(t, func(s *site) {
		b := s.visitor()
		b.put("cart", "a", 1, "b", 2, "m", map[string]int{"x": 1})
		b.with("cart", func(g *sessions.Session) bool {
			delete(g.Values, "a")
			g.Values["m"].(map[string]int)["y"] = 2
			return true
		})
		b.with("cart", func(g *sessions.Session) bool {
			want := map[any]any{"b": 2, "m": map[string]int{"x": 1, "y": 2}}
			if !reflect.DeepEqual(g.Values, want) {
				s.t.Errorf("got %v, want %v", g.Values, want)
			}
			return false
		})
	})
}

func TestNamesAreSessionsOfTheirOwn(t *testing.T) {
	each(t, func(s *site) {
		b := s.visitor()
		b.do(func(w http.ResponseWriter, r *http.Request) {
			one, err1 := s.store.Get(r, "one")
			two, err2 := s.store.Get(r, "two")
			if err1 != nil || err2 != nil {
				s.t.Errorf("Get: %v, %v", err1, err2)
			}
			one.Values["k"], two.Values["k"] = "of one", "of two"
			if err := sessions.Save(r, w); err != nil {
				s.t.Errorf("sessions.Save: %v", err)
			}
		})
		b.with("one", func(g *sessions.Session) bool {
			if g.Values["k"] != "of one" {
				s.t.Errorf("one holds %v", g.Values)
			}
			g.Options.MaxAge = -1
			return true
		})
		b.with("one", func(g *sessions.Session) bool {
			if !g.IsNew || len(g.Values) != 0 {
				s.t.Errorf("one was deleted, and holds %v", g.Values)
			}
			return false
		})
		b.with("two", func(g *sessions.Session) bool {
			if g.IsNew || g.Values["k"] != "of two" {
				s.t.Errorf("two holds %v", g.Values)
			}
			return false
		})
	})
}

func TestGetReturnsOneSessionForAllCallsOfARequest(t *testing.T) {
	each(t, func(s *site) {
		s.visitor().do(func(_ http.ResponseWriter, r *http.Request) {
			first, err := s.store.Get(r, "cart")
			if err != nil {
				s.t.Errorf("Get: %v", err)
			}
			first.Values["k"] = "unsaved"
			if again, _ := s.store.Get(r.WithContext(r.Context()), "cart"); again != first {
				s.t.Error("a shallow copy of the request has another session")
			}
			if other, _ := s.store.New(r, "cart"); other == first || other.Values["k"] != nil {
				s.t.Errorf("New shares with Get: %v", other.Values)
			}
			if _, err := s.store.Get(r, "session:key"); err == nil || !strings.Contains(err.Error(), "invalid character") {
				s.t.Errorf("a name that no cookie can have: %v", err)
			}
		})
	})
}

func TestASessionThatGetHasNotMadeReplacesWhatStands(t *testing.T) {
	each(t, func(s *site) {
		b := s.visitor()
		b.put("cart", "a", 1, "b", 2)
		for _, values := range []map[any]any{{"c": 3}, {"c": 3, "d": 4}} {
			b.do(func(w http.ResponseWriter, r *http.Request) {
				own := sessions.NewSession(s.store, "cart")
				if stored, err := s.store.Get(r, "cart"); err == nil {
					own.ID = stored.ID // by which gorilla finds the file
				}
				own.Values, own.Options = values, &sessions.Options{Path: "/", MaxAge: 3600}
				if err := own.Save(r, w); err != nil {
					s.t.Errorf("Save: %v", err)
				}
			})
			b.with("cart", func(g *sessions.Session) bool {
				if !reflect.DeepEqual(g.Values, values) {
					s.t.Errorf("got %v, want %v", g.Values, values)
				}
				return false
			})
		}
	})
}

func TestWhatGobRefusesIsAnErrorOfSaveAndNothingIsSaved(t *testing.T) {
	each(t, func(s *site) {
		b := s.visitor()
		b.put("cart", "a", 1)
		for _, bad := range []map[any]any{{"a": 2, "f": func() {}}, {"a": 2, make(chan int): 1}} {
			b.do(func(w http.ResponseWriter, r *http.Request) {
				g, err := s.store.Get(r, "cart")
				if err != nil {
					s.t.Errorf("Get: %v", err)
				}
				g.Values = bad
				if err := g.Save(r, w); err == nil {
					s.t.Error("Save encodes a function or a channel")
				}
			})
		}
		b.with("cart", func(g *sessions.Session) bool {
			if !reflect.DeepEqual(g.Values, map[any]any{"a": 1}) {
				s.t.Errorf("got %v", g.Values)
			}
			return false
		})
	})
}
