package fibersession_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/fibersession"
	"github.com/holdfast-go/session/internal/test/shopfront"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

func TestWhatAHandlerChangesIsSavedAndItsCookieSent(t *testing.T) {
	shopfront.ChangesAreSaved(newSite(t, nil, shop).Shop)
}

func TestTheAnswerKeepsTheCookiesAndVaryOfOthers(t *testing.T) {
	v := newSite(t, nil, shop).Visitor()
	a := v.Do("POST", "/cart/tofu")
	if n := len(a.Header["Set-Cookie"]); n != 2 || !slices.Contains(a.Header.Values("Vary"), "Cookie") {
		t.Errorf("got %v", a.Header)
	}
}

func TestRequireIs403AndTheHandlerDoesNotRun(t *testing.T) {
	shopfront.RequireIs403(newSite(t, nil, shop).Shop)
}

func TestAStoreThatIsAwayIs503AndCookiesStayAsTheyAre(t *testing.T) {
	shopfront.AnOutageIs503(newSite(t, nil, shop).Shop)
}

func TestASaveThatFailsReplacesTheAnswer(t *testing.T) {
	shopfront.AFailedSaveReplacesTheAnswer(newSite(t, nil, shop).Shop)
}

func TestTheErrorHandlerGetsTheErrorAndItsChangesAreSaved(t *testing.T) {
	s := newSite(t, nil, shop)
	shopfront.TheErrorHandlersChangesAreSaved(s.Shop)

	known := s.Visitor()
	known.Want("POST", "/cart/caviar", 409, "sold out")
	s.errors = nil
	s.Store.Fail(shopfront.ErrAway)
	known.Want("POST", "/cart/rice", 503, "Service Unavailable") // and not where the store is
	var status *fiber.Error
	if err := s.errors[0]; !errors.Is(err, session.ErrUnavailable) || !errors.As(err, &status) || status.Code != 503 {
		t.Errorf("fiber's ErrorHandler gets %v", err)
	}
}

func TestStatusesOfErrors(t *testing.T) {
	plain := errors.New("no status")
	for _, c := range []struct {
		err    error
		status int
		after  string
	}{
		{session.ErrUnavailable, 503, "5"},
		{session.ErrEnded, 503, "1"},
		{session.ErrNoSession, 403, ""},
		{plain, 500, ""},
		{fiber.ErrTeapot, 418, ""},
	} {
		s := newSite(t, nil, func(_ *site, r fiber.Router) {
			r.Get("/", func(fiber.Ctx) error { return c.err })
			r.Get("/own", func(ctx fiber.Ctx) error { ctx.Set("Retry-After", "60"); return c.err })
		})
		a := s.Visitor().Do("GET", "/")
		if a.Status != c.status || a.Header.Get("Retry-After") != c.after {
			t.Errorf("%v: %d with Retry-After %q", c.err, a.Status, a.Header.Get("Retry-After"))
		}
		if a := s.Visitor().Do("GET", "/own"); a.Header.Get("Retry-After") != "60" {
			t.Errorf("%v: the handler's Retry-After is %q", c.err, a.Header.Get("Retry-After"))
		}
	}
}

func TestAPanicThatIsRecoveredFurtherOutDropsWhatIsNotSaved(t *testing.T) {
	s := newSite(t, nil, func(s *site, r fiber.Router) {
		shop(s, r)
		r.Post("/saved/:sku", func(c fiber.Ctx) error {
			_ = add(c)
			v, _ := fibersession.From(c)
			if _, err := v.Save(c.Context()); err != nil {
				t.Error(err)
			}
			panic("after a save")
		})
	})
	shopfront.APanicDropsChanges(s.Shop)

	v := s.Visitor()
	if a := v.Do("POST", "/saved/rice"); a.Status != 500 {
		t.Errorf("%+v", a)
	}
	v.Want("GET", "/cart", 200, "rice") // the token has reached the visitor
}

func TestTheRoutersOwn404Stays(t *testing.T) {
	s := newSite(t, nil, shop)
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	v.Refused("DELETE", "/food", 405)
	shopfront.TheRoutersOwn404Stays(s.Shop)
}

func TestReadOnlyAndRequireStore(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, &session.Backup{Keys: keys, Audience: "test"}, func(s *site, r fiber.Router) {
		shop(s, r)
		r.Post("/readonly/:sku", fibersession.ReadOnly(s.Sessions), add)
	})
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	v.Refused("POST", "/readonly/rice", 500)
	s.Store.Fail(shopfront.ErrAway)
	v.Want("GET", "/mine", 200, "tofu") // from the backup
	v.Want("POST", "/cart/rice", 200, "added")
	v.Want("GET", "/mine", 200, "tofu,rice")
	v.Refused("POST", "/pay", 503)
}

// A refusal may come after a handler has changed the session and set a field.
func TestWhatIsChangedBeforeARefusalIsSaved(t *testing.T) {
	s := newSite(t, nil, func(s *site, r fiber.Router) {
		shop(s, r)
		remember := func(c fiber.Ctx) error {
			v, _ := fibersession.From(c)
			notice.Set(v, "log in first")
			c.Set("X-Before", "1")
			return c.Next()
		}
		r.Post("/late", remember, fibersession.Require(s.Sessions), func(fiber.Ctx) error {
			t.Error("the handler has run")
			return nil
		})
	})
	v := s.Visitor()
	if a := v.Do("POST", "/late"); a.Status != 403 || a.Header.Get("X-Before") != "1" || len(a.Header["Set-Cookie"]) != 2 {
		t.Errorf("%+v", a)
	}
	v.Want("GET", "/notice", 200, "log in first")
}

// Each of the four works without Handler, and two Managers may nest.
func TestConditionsAloneAndTwoManagers(t *testing.T) {
	other := sessiontest.New(t, &session.Options{Cookie: session.Cookie{Name: "other", Insecure: true}})
	count := session.NewKey[int]("count")
	s := newSite(t, nil, func(s *site, r fiber.Router) {
		shop(s, r)
		r.Post("/require/:sku", fibersession.Require(other), func(fiber.Ctx) error {
			t.Error("the handler has run")
			return nil
		})
		r.Post("/both/:sku", fibersession.Handler(other), func(c fiber.Ctx) error {
			inner, err := fibersession.From(c)
			if err != nil {
				return err
			}
			outer, err := s.Sessions.From(c.Context())
			if err != nil {
				return err
			}
			count.Set(inner, 1)
			cart.Set(outer, []string{"both"})
			return c.SendString("added")
		})
		r.Get("/count", fibersession.Require(other), func(c fiber.Ctx) error {
			v, err := fibersession.From(c)
			if err != nil {
				return err
			}
			return c.JSON(count.Or(v, 0))
		})
	})
	v := s.Visitor()
	v.Refused("POST", "/require/tofu", 403)
	v.Want("POST", "/both/tofu", 200, "added")
	if len(v.Cookies()) != 2 {
		t.Errorf("cookies %v", v.Cookies())
	}
	v.Want("GET", "/count", 200, "1")
	v.Want("GET", "/cart", 200, "both")
	s.Store.Fail(shopfront.ErrAway)
	v.Refused("POST", "/both/tofu", 503)
}

// Options.Error and hooks see a request, and the context of middleware before.
func TestTheRequestThatOptionsErrorSees(t *testing.T) {
	type mark struct{}
	var seen *http.Request
	m := sessiontest.New(t, &session.Options{Error: func(w http.ResponseWriter, r *http.Request, err error) {
		seen = r
		w.Header().Set("X-Own", "1")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("log in"))
	}})
	s := newSite(t, nil, func(_ *site, r fiber.Router) {
		mine := func(c fiber.Ctx) error {
			c.SetContext(context.WithValue(c.Context(), mark{}, "kept"))
			c.Set("Content-Type", "image/png") // of the body that is not sent
			return c.Next()
		}
		none := func(fiber.Ctx) error { return nil }
		r.Get("/alone/:id", mine, fibersession.Require(m), none)
		r.Get("/nested/:id", fibersession.Handler(m), mine, fibersession.Require(m), none)
	})
	v := s.Visitor()
	for _, path := range []string{"/alone/1", "/nested/1"} {
		a := v.Do("GET", path+"?q=a%20b")
		if a.Status != 401 || a.Body != "log in" || a.Header.Get("X-Own") != "1" || a.Header.Get("Content-Type") == "image/png" {
			t.Errorf("%+v", a)
		}
		if seen.Method != http.MethodGet || seen.URL.String() != path+"?q=a%20b" || "http://"+seen.Host != s.URL || seen.UserAgent() == "" {
			t.Errorf("got %s %s of %s by %s", seen.Method, seen.URL, seen.Host, seen.UserAgent())
		}
		if seen.Context().Value(mark{}) != "kept" || seen.Context().Err() == nil {
			t.Errorf("%s: the context is not the request's, or goes on after its end", path)
		}
	}
}

func TestARequestThatIsNotWrappedPanicsAsFromDoes(t *testing.T) {
	app := fiber.New()
	c := app.AcquireCtx(&fasthttp.RequestCtx{})
	defer app.ReleaseCtx(c)
	defer func() {
		if recover() == nil {
			t.Error("From has not panicked")
		}
	}()
	_, _ = fibersession.From(c)
}

func TestAHandlerOfNetHTTPHasTheSession(t *testing.T) {
	s := newSite(t, nil, func(_ *site, r fiber.Router) {
		r.All("/adapted", withSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, err := session.From(r.Context())
			if err != nil {
				session.Error(w, r, err)
				return
			}
			cart.Update(x, func(all *[]string) error { *all = append(*all, "tofu"); return nil })
			_, _ = io.WriteString(w, strings.Join(cart.Or(x, nil), ","))
		})))
	})
	v := s.Visitor()
	v.Want("POST", "/adapted", 200, "tofu")
	v.Want("POST", "/adapted", 200, "tofu,tofu")
	s.Store.Fail(errors.New("connection refused"))
	v.Refused("POST", "/adapted", 503)
	s.Store.Heal()
	v.Want("POST", "/adapted", 200, "tofu,tofu,tofu")
}
