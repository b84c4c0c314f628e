package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

var basket = session.NewKey[[]string]("basket", session.Uncompressed())

// large is a basket that does not fit a backup.
func large(x *session.Session) {
	items := make([]string, 30)
	for i := range items {
		items[i] = strings.Repeat("i", 400)
	}
	basket.Set(x, items)
}

// In an outage a value that did not travel is not known. What a handler makes of
// its absence is neither shown nor saved.
func TestAnUnknownValueIsNotADefault(t *testing.T) {
	for name, test := range map[string]struct {
		f    func(*session.Session)
		want int
	}{
		"Or":             {func(x *session.Session) { basket.Or(x, nil) }, 503},
		"Or and Set":     {func(x *session.Session) { basket.Set(x, append(basket.Or(x, nil), "tofu")) }, 503},
		"Set":            {func(x *session.Session) { basket.Set(x, []string{"tofu"}) }, 503},
		"Get and Set":    {func(x *session.Session) { b, _ := basket.Get(x); basket.Set(x, append(b, "tofu")) }, 503},
		"Update":         {func(x *session.Session) { basket.Update(x, func(b *[]string) error { *b = nil; return nil }) }, 503},
		"another's Or":   {func(x *session.Session) { food.Set(x, color.Or(x, "")) }, 200},
		"Get alone":      {func(x *session.Session) { _, _ = basket.Get(x) }, 200},
		"Delete and Set": {func(x *session.Session) { basket.Delete(x); basket.Set(x, make([]string, 30)) }, 200},
	} {
		for _, after := range []bool{false, true} { // the response header was written
			if after && test.want == 200 {
				continue
			}
			t.Run(fmt.Sprint(name, after), func(t *testing.T) {
				testSite(t, session.Options{}, func(s *site) {
					v := s.withoutItsBasket()
					answer := v.Get(s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						x, err := session.From(r.Context())
						if err != nil {
							t.Error(err)
						}
						if after {
							w.WriteHeader(http.StatusOK)
						}
						test.f(x)
					})), "/")
					if !after && answer.StatusCode != test.want {
						t.Errorf("in the outage: %d, want %d", answer.StatusCode, test.want)
					}
					s.store.Heal()
					s.after(20 * time.Second)
					s.serve(s.b, v, func(x *session.Session) {
						if got := len(basket.Or(x, nil)); got != 30 {
							t.Errorf("30 items before the outage, %d after", got)
						}
					})
				})
			})
		}
	}
}

// The same on a route that only reads.
func TestAnUnknownValueIsNotADefaultOnAReadOnlyRoute(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.withoutItsBasket()
		answer := v.Get(s.a.ReadOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, _ := session.From(r.Context())
			fmt.Fprintf(w, "%d items", len(basket.Or(x, nil)))
		})), "/")
		if answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
}

// A value of which no copy has survived stays lost until it is set again, and no
// handler builds on its absence by accident.
func TestALostValueIsNotADefault(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.serve(s.a, v, large)
		s.after(forgotten)
		s.store.Replace(memstore.New(nil))
		s.after(20 * time.Second)
		if status := s.serve(s.a, v, func(x *session.Session) {
			if got := basket.Or(x, nil); got != nil {
				t.Errorf("Or = %v", got)
			}
			if err := x.Err(); !errors.Is(err, session.ErrLost) {
				t.Errorf("Err() = %v", err)
			}
			basket.Set(x, []string{"tofu"})
		}); status != http.StatusInternalServerError {
			t.Errorf("Or and Set of a lost value: %d", status)
		}
		if status := s.serve(s.a, v, func(x *session.Session) {
			basket.Or(x, nil)
			basket.Delete(x)
		}); status != http.StatusOK {
			t.Errorf("Delete of a lost value: %d", status)
		}
	})
}

// Where it is unknown whether there is a session, the answer does not follow from
// what a handler takes for its absence.
func TestAnUnknownSessionIsNotNone(t *testing.T) {
	for name, f := range map[string]func(*session.Session) bool{
		"ID":      func(x *session.Session) bool { return x.ID() == "" },
		"Created": func(x *session.Session) bool { return x.Created().IsZero() },
		"Renewed": func(x *session.Session) bool { return x.Renewed().IsZero() },
		"Expires": func(x *session.Session) bool { return x.Expires().IsZero() },
		"Or":      func(x *session.Session) bool { return color.Or(x, "") == "" },
		"Take":    func(x *session.Session) bool { v, _ := color.Take(x); return v == "" },
	} {
		t.Run(name, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v := s.visitor()
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.AddCookie(v.Request(http.MethodGet, "/", nil).CookiesNamed("__Host-session")[0]) // and no copy
				s.store.Fail(errRefused)
				w := httptest.NewRecorder()
				s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					x, err := session.From(r.Context())
					if got := x.Source(); got != session.Unknown || x.Err() == nil {
						t.Errorf("Source() = %v, Err() = %v, From: %v", got, x.Err(), err)
					}
					_ = fmt.Sprint(x, x.LogValue()) // decide nothing
					if f(x) {
						http.Redirect(w, r, "/login", http.StatusSeeOther)
					}
				})).ServeHTTP(w, r)
				if w.Code != http.StatusServiceUnavailable {
					t.Errorf("status %d, want the error instead of the login page", w.Code)
				}
			})
		})
	}
}

// withoutItsBasket returns a visitor whose basket is too large for the copy, in an
// outage.
func (s *site) withoutItsBasket() *sessiontest.Visitor {
	s.Helper()
	v := s.visitor()
	s.serve(s.a, v, large)
	s.after(forgotten)
	s.store.Fail(errRefused)
	s.after(time.Second)
	return v
}
