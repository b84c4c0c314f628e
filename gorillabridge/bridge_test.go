package gorillabridge_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
)

// during sends a request of b that gets the gorilla session "cart", runs other while
// it is on its way, changes the values and saves them.
func (b *visitor) during(other func(), change func(*sessions.Session)) {
	b.t.Helper()
	b.with("cart", func(g *sessions.Session) bool {
		other()
		change(g)
		return true
	})
}

// gorilla saves the whole map, and so loses what the other request has saved.
func TestTwoRequestsAtOnceKeepBothChanges(t *testing.T) {
	each(t, func(s *site) {
		if _, ok := s.store.(*sessions.CookieStore); ok {
			return // the browser has one cookie or the other
		}
		b := s.visitor()
		b.put("cart", "old", 1, "gone", 1)
		b.during(func() { b.put("cart", "first", 1) }, func(g *sessions.Session) {
			g.Values["second"] = 2
			delete(g.Values, "gone")
		})
		_, kept := s.store.(*gorillabridge.Store)
		b.with("cart", func(g *sessions.Session) bool {
			if got := g.Values["first"] == 1; got != kept {
				s.t.Errorf("the first request's change is kept: %v, want %v", got, kept)
			}
			if g.Values["second"] != 2 || g.Values["old"] != 1 || g.Values["gone"] != nil {
				s.t.Errorf("got %v", g.Values)
			}
			return false
		})
	})
}

func TestTheLaterOfTwoChangesOfOneValueStays(t *testing.T) {
	b := bridge(t, nil, nil).visitor()
	b.put("cart", "k", "old")
	b.during(func() { b.put("cart", "k", "first") }, func(g *sessions.Session) { g.Values["k"] = "second" })
	b.holds("cart", "k", "second")
}

func TestASaveWithoutAChangeWritesNothing(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.with("cart", func(*sessions.Session) bool { return true })
	if saves, cookies := s.faulty.Saves(), b.Cookies(); saves != 0 || len(cookies) != 0 {
		t.Errorf("a session without values: %d saves, cookies %v", saves, cookies)
	}
	roles := make(map[string]int)
	for i := range 26 {
		roles[string(rune('a'+i))] = i
	}
	b.put("cart", "who", profile{"bob", roles}, "items", 3)
	before := s.faulty.Saves()
	for range 10 { // gob writes the roles in another order each time
		b.with("cart", func(*sessions.Session) bool { return true })
	}
	if saves := s.faulty.Saves() - before; saves != 0 {
		t.Errorf("%d saves", saves)
	}
}

func TestAllNamesOfARequestAreOneSave(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.do(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"one", "two", "three"} {
			g, err := s.store.Get(r, name)
			if err != nil {
				t.Error(err)
			}
			g.Values["k"] = name
			if err := g.Save(r, w); err != nil {
				t.Error(err)
			}
		}
	})
	if s.faulty.Saves() != 1 || len(b.Cookies()) != 1 {
		t.Errorf("%d saves, cookies %v", s.faulty.Saves(), b.Cookies())
	}
}

// Save may be called again, after more changes, and New in between sees the first.
func TestARequestMaySaveTwice(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.put("cart", "a", 1)
	b.do(func(w http.ResponseWriter, r *http.Request) {
		g, _ := s.store.Get(r, "cart")
		g.Values["b"] = 2
		g.Save(r, w)
		again, err := s.store.New(r, "cart")
		if err != nil || !reflect.DeepEqual(again.Values, map[any]any{"a": 1, "b": 2}) {
			t.Errorf("New after Save: %v, %v", again.Values, err)
		}
		again.Values["c"] = 3
		again.Save(r, w)
		g.Values["a"] = "other"
		g.Save(r, w) // which never knew of c
		g.Values["a"] = 1
		g.Save(r, w)
	})
	b.with("cart", func(g *sessions.Session) bool {
		if want := map[any]any{"a": 1, "b": 2, "c": 3}; !reflect.DeepEqual(g.Values, want) {
			t.Errorf("got %v, want %v", g.Values, want)
		}
		return false
	})
}

var own = session.NewKey[string]("own")

func TestALogoutIsTheEndOfTheSessionWhereEndsSaysSo(t *testing.T) {
	s := bridge(t, &gorillabridge.Options{Ends: []string{"login"}}, nil)
	b := s.visitor()
	setOwn := func(_ http.ResponseWriter, r *http.Request) {
		v, _ := session.From(r.Context())
		own.Set(v, "kept")
	}
	hasOwn := func(b *visitor) (has bool) {
		b.do(func(_ http.ResponseWriter, r *http.Request) {
			v, _ := session.From(r.Context())
			has = own.Or(v, "") == "kept"
		})
		return has
	}
	remove := func(g *sessions.Session) bool { g.Options.MaxAge = -1; return true }

	b.do(setOwn)
	b.put("cart", "items", 3)
	b.put("login", "user", "bob")
	thief := b.copy()
	b.with("cart", remove)
	if !hasOwn(b) || !hasOwn(thief) {
		t.Error("the deletion of one name has ended the session")
	}
	b.with("login", remove)
	if len(b.Cookies()) != 0 {
		t.Errorf("cookies after the logout: %v", b.Cookies())
	}
	if hasOwn(b) || hasOwn(thief) {
		t.Error("the session is still there after the logout")
	}
	thief.with("login", func(g *sessions.Session) bool {
		if !g.IsNew {
			t.Errorf("a copy of the cookie opens %v", g.Values)
		}
		return false
	})
}

func TestWhatIsSavedAfterADeletionStandsAgain(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.put("cart", "a", 1)
	b.do(func(w http.ResponseWriter, r *http.Request) {
		g, _ := s.store.Get(r, "cart")
		for _, options := range []*sessions.Options{{MaxAge: -1}, nil} {
			g.Options = options
			if err := g.Save(r, w); err != nil {
				t.Error(err)
			}
		}
	})
	b.holds("cart", "a", 1)
}

func TestTheIDIsTheManagers(t *testing.T) {
	s := bridge(t, nil, nil)
	b := s.visitor()
	b.put("cart", "a", 1)
	for _, visitor := range []*visitor{b, s.visitor()} {
		visitor.do(func(_ http.ResponseWriter, r *http.Request) {
			g, _ := s.store.Get(r, "cart")
			v, _ := session.From(r.Context())
			if g.ID != string(v.ID()) {
				t.Errorf("got %q, want %q", g.ID, v.ID())
			}
		})
	}
}

func TestARequestThatIsNotWrappedPanicsAsFromDoes(t *testing.T) {
	s := bridge(t, nil, nil)
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Get has not panicked")
		}
	}()
	_, _ = s.store.Get(r, "cart")
}
