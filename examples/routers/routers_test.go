package routers

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	echo4 "github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultErrorWriter = io.Discard // stacks of the panics that tests ask for
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

var routers = []struct {
	name   string
	routes func(*session.Manager) http.Handler
}{
	{"net/http", NetHTTP},
	{"chi", Chi},
	{"gin", Gin},
	{"gin, in its chain", GinChain},
	{"echo v4", Echo4},
	{"echo v5", Echo5},
}

// site is the shop on a real server, over a store that fails on request.
type site struct {
	t     *testing.T
	url   string
	store *storetest.Faulty
	mu    sync.Mutex
	lost  []error // what Hooks.Dropped was told
}

func newSite(t *testing.T, routes func(*session.Manager) http.Handler) *site {
	t.Helper()
	s := &site{t: t, store: storetest.NewFaulty(memstore.New(nil))}
	sessions, err := session.New(s.store, &session.Options{
		Cookie:      session.Cookie{Insecure: true},
		ReadTimeout: 10 * time.Second,
		SaveTimeout: 10 * time.Second,
		Hooks: session.Hooks{Dropped: func(_ context.Context, _ session.ID, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lost = append(s.lost, err)
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(routes(sessions))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// visitor is a browser.
type visitor struct {
	*site
	client *http.Client
}

func (s *site) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{s, &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) do(method, path string) answer {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Errorf("%s %s: %v", method, path, err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// want sends a request and says what its answer must be.
func (v *visitor) want(method, path string, status int, body string) {
	v.t.Helper()
	a := v.do(method, path)
	if a.status != status || a.body != body {
		v.t.Errorf("%s %s: %d %q, want %d %q", method, path, a.status, a.body, status, body)
	}
}

func (v *visitor) cookies() []*http.Cookie {
	u, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.client.Jar.Cookies(u)
}

// refused sends a request whose answer must be an error alone: the status, no
// cookie, and nothing of what the handler would have written.
func (v *visitor) refused(method, path string, status int) {
	v.t.Helper()
	before := v.cookies()
	a := v.do(method, path)
	if a.status != status {
		v.t.Errorf("%s %s: status %d, want %d", method, path, a.status, status)
	}
	if again := a.header.Get("Retry-After"); (again != "") != (status == http.StatusServiceUnavailable) {
		v.t.Errorf("%s %s: %d with Retry-After %q", method, path, a.status, again)
	}
	after := v.cookies()
	same := slices.EqualFunc(before, after, func(a, b *http.Cookie) bool { return a.Name == b.Name && a.Value == b.Value })
	if !same || a.header["Set-Cookie"] != nil {
		v.t.Errorf("%s %s: the answer sets cookies: %q", method, path, a.header["Set-Cookie"])
	}
	for _, text := range []string{"tofu", "added", "paid", "one"} {
		if strings.Contains(a.body, text) {
			v.t.Errorf("%s %s: the body is the handler's: %q", method, path, a.body)
		}
	}
}

// each runs f on every router but those left out.
func each(t *testing.T, f func(*site), without ...string) {
	t.Helper()
	for _, router := range routers {
		if slices.Contains(without, router.name) {
			continue
		}
		t.Run(router.name, func(t *testing.T) { f(newSite(t, router.routes)) })
	}
}

func TestWhatAHandlerChangesIsSavedAndItsCookieSent(t *testing.T) {
	each(t, func(s *site) {
		v := s.visitor()
		v.want("GET", "/food", 200, "tofu")
		v.want("GET", "/cart", 200, "")
		if s.store.Loads() != 0 || len(v.cookies()) != 0 {
			s.t.Errorf("%d loads, cookies %v, before there is a session", s.store.Loads(), v.cookies())
		}
		v.want("POST", "/cart/tofu", 200, "added")
		v.want("POST", "/cart/rice", 200, "added")
		v.want("GET", "/cart", 200, "tofu,rice")
		v.want("GET", "/mine", 200, "tofu,rice")
		v.want("POST", "/pay", 200, "paid")
		v.want("GET", "/cart", 200, "")

		v = s.visitor()
		v.want("POST", "/quiet/tofu", 204, "") // a status, and no byte
		v.want("GET", "/cart", 200, "tofu")
		v = s.visitor()
		v.want("POST", "/stream/tofu", 200, "one\ntwo\n")
		v.want("GET", "/cart", 200, "tofu")
	})
}

func TestRequireIs403AndTheHandlerDoesNotRun(t *testing.T) {
	each(t, func(s *site) {
		v := s.visitor()
		v.refused("GET", "/mine", 403)
		v.refused("POST", "/pay", 403)
		if s.store.Loads()+s.store.Saves() != 0 {
			s.t.Errorf("%d loads, %d saves", s.store.Loads(), s.store.Saves())
		}
	})
}

func TestAStoreThatIsAwayIs503AndCookiesStayAsTheyAre(t *testing.T) {
	each(t, func(s *site) {
		v, stranger := s.visitor(), s.visitor()
		v.want("POST", "/cart/tofu", 200, "added")
		s.store.Fail(errors.New("connection refused"))
		for range 2 {
			v.refused("GET", "/cart", 503)
			v.refused("GET", "/mine", 503)
			v.refused("POST", "/cart/rice", 503)
			v.refused("POST", "/quiet/rice", 503)
			v.refused("POST", "/stream/rice", 503)
			v.refused("POST", "/pay", 503)
			stranger.refused("POST", "/cart/rice", 503)
			stranger.refused("POST", "/quiet/rice", 503)
			stranger.refused("POST", "/stream/rice", 503)
			v.want("GET", "/food", 200, "tofu")
		}
		s.store.Heal()
		v.want("GET", "/cart", 200, "tofu")
		if len(stranger.cookies()) != 0 {
			s.t.Errorf("the stranger has cookies: %v", stranger.cookies())
		}
	})
}

// The session is loaded, the handler has answered 200, and then the save fails.
func TestASaveThatFailsReplacesTheAnswer(t *testing.T) {
	each(t, func(s *site) {
		v := s.visitor()
		v.want("POST", "/cart/tofu", 200, "added")
		s.store.Before(func(op string, _ session.ID) error {
			if op == "save" {
				return errors.New("read-only replica")
			}
			return nil
		})
		v.refused("POST", "/cart/rice", 503)
		v.refused("POST", "/quiet/rice", 503)
		v.refused("POST", "/stream/rice", 503)
		s.store.Before(nil)
		v.want("GET", "/cart", 200, "tofu")
	})
}

// echo calls its error handler when all middleware has returned; gin's is
// middleware further out than Handler in its chain.
func TestWhatTheErrorHandlerSetsIsSaved(t *testing.T) {
	each(t, func(s *site) {
		known, stranger := s.visitor(), s.visitor()
		known.want("POST", "/cart/tofu", 200, "added")
		for _, v := range []*visitor{known, stranger} {
			if a := v.do("POST", "/cart/caviar"); a.status != 409 {
				s.t.Errorf("status %d, want 409", a.status)
			}
			v.want("GET", "/notice", 200, "sold out")
			v.want("GET", "/notice", 200, "")
		}
		known.want("GET", "/cart", 200, "tofu")
		if s.lost != nil {
			s.t.Errorf("lost: %v", s.lost)
		}
	})
}

func TestAnAbortedChainIsSavedToo(t *testing.T) {
	each(t, func(s *site) {
		v := s.visitor()
		if a := v.do("POST", "/abort/tofu"); a.status != 418 {
			s.t.Errorf("status %d, want 418", a.status)
		}
		v.want("GET", "/cart", 200, "tofu")
		s.store.Fail(errors.New("connection refused"))
		v.refused("POST", "/abort/rice", 503)
	}, "net/http", "chi") // which have no such thing
}

func TestAPanicThatIsRecoveredFurtherOutDropsWhatIsNotSaved(t *testing.T) {
	each(t, func(s *site) {
		v := s.visitor()
		v.want("POST", "/cart/tofu", 200, "added")
		v.refused("POST", "/panic/rice", 500)
		v.want("GET", "/cart", 200, "tofu")
		s.visitor().refused("POST", "/panic/rice", 500)
	}, "net/http") // whose server ends the connection
}

func TestTheRoutersOwn404Stays(t *testing.T) {
	each(t, func(s *site) {
		v := s.visitor()
		v.want("POST", "/cart/tofu", 200, "added")
		v.refused("GET", "/nowhere", 404)
		s.store.Fail(errors.New("connection refused"))
		v.refused("GET", "/nowhere", 404)
	})
}

// gin's context is a context.Context too, but not the request's.
func TestFromWithGinsContextSaysWhatToPass(t *testing.T) {
	said := make(chan any, 1)
	s := newSite(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.GET("/", func(c *gin.Context) {
			defer func() { said <- recover() }()
			_ = add(c, "tofu")
		})
		return sessions.Handler(r)
	})
	s.visitor().do("GET", "/")
	if hint, _ := (<-said).(string); !strings.Contains(hint, "in gin c.Request.Context()") {
		t.Errorf("From(gin's context) said %q", hint)
	}

	s = newSite(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.ContextWithFallback = true
		r.GET("/", func(c *gin.Context) { said <- add(c, "tofu") })
		return sessions.Handler(r)
	})
	s.visitor().do("GET", "/")
	if err := <-said; err != nil {
		t.Errorf("with ContextWithFallback: %v", err)
	}
}

// gin goes on after middleware that has answered, unless the chain is aborted.
func TestGinsChainEndsWhereARequestIsRefused(t *testing.T) {
	for _, place := range []string{"around", "chain"} {
		var ran atomic.Bool
		s := newSite(t, func(sessions *session.Manager) http.Handler {
			r := gin.New()
			var h http.Handler = r
			if place == "chain" {
				r.Use(ginUse(sessions.Handler))
			} else {
				h = sessions.Handler(r)
			}
			r.GET("/", ginUse(sessions.Require), func(*gin.Context) { ran.Store(true) })
			return h
		})
		s.visitor().refused("GET", "/", 403)
		if ran.Load() {
			t.Errorf("%s: the handler has run after the 403", place)
		}
	}
}

// Middleware that hands on the request alone lets gin write past the session:
// the cookie would come too late, and so no session begins, which is told.
func TestAGinHandlerThatWritesPastTheSessionIsTold(t *testing.T) {
	s := newSite(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.Use(func(c *gin.Context) {
			sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.Request = r
				c.Next()
			})).ServeHTTP(c.Writer, c.Request)
		})
		ginRoutes(r, sessions)
		return r
	})
	s.visitor().want("POST", "/cart/tofu", 200, "added")
	s.wantLost(session.ErrTooLate)
	if saves := s.store.Saves(); saves != 0 {
		t.Errorf("%d saves of a session that no visitor has", saves)
	}
}

// HandleContext gives gin's context its first writer back.
func TestGinsHandleContextNeedsHandlerAroundTheEngine(t *testing.T) {
	again := func(r *gin.Engine) gin.HandlerFunc {
		return func(c *gin.Context) {
			c.Request.URL.Path = "/cart/tofu"
			r.HandleContext(c)
			c.Abort()
		}
	}
	around := newSite(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		ginRoutes(r, sessions)
		r.POST("/again", again(r))
		return sessions.Handler(r)
	})
	v := around.visitor()
	v.want("POST", "/again", 200, "added")
	v.want("GET", "/cart", 200, "tofu")

	chain := newSite(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.Use(ginUse(sessions.Handler))
		ginRoutes(r, sessions)
		r.POST("/again", again(r))
		return r
	})
	chain.visitor().want("POST", "/again", 200, "added")
	chain.wantLost(session.ErrTooLate)
}

func (s *site) wantLost(want error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lost) != 1 || !errors.Is(s.lost[0], want) {
		s.t.Errorf("Hooks.Dropped was told %v, want %v", s.lost, want)
	}
}

// Why the recipes have error handlers: what the frameworks answer without one.
func TestWhatTheFrameworksAnswerByThemselves(t *testing.T) {
	for _, framework := range []struct {
		name   string
		status int
		routes http.Handler
	}{
		{"gin", http.StatusOK, func() http.Handler {
			r := gin.New()
			r.GET("/", ginAction(func(*gin.Context) error { return session.ErrUnavailable }))
			return r
		}()},
		{"echo v4", http.StatusInternalServerError, func() http.Handler {
			e := echo4.New()
			e.GET("/", func(echo4.Context) error { return session.ErrUnavailable })
			return e
		}()},
		{"echo v5", http.StatusServiceUnavailable, func() http.Handler {
			e := echo5.New()
			e.GET("/", func(*echo5.Context) error { return session.ErrUnavailable })
			return e
		}()},
	} {
		t.Run(framework.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			framework.routes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != framework.status || w.Header().Get("Retry-After") != "" {
				t.Errorf("%d with Retry-After %q, want %d without", w.Code, w.Header().Get("Retry-After"), framework.status)
			}
		})
	}
}
