package routers

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/gin-gonic/gin"
	echo4 "github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/shopfront"
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
	{"huma", Huma},
}

// serve runs the shop with these routes on a real server.
func serve(t *testing.T, routes func(*session.Manager) http.Handler) *shopfront.Shop {
	t.Helper()
	s := shopfront.New(t, nil)
	server := httptest.NewUnstartedServer(routes(s.Sessions))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// each runs f on every router but those left out.
func each(t *testing.T, f func(*shopfront.Shop), without ...string) {
	t.Helper()
	for _, router := range routers {
		if slices.Contains(without, router.name) {
			continue
		}
		t.Run(router.name, func(t *testing.T) { f(serve(t, router.routes)) })
	}
}

func TestWhatAHandlerChangesIsSavedAndItsCookieSent(t *testing.T) {
	each(t, shopfront.ChangesAreSaved)
}

func TestRequireIs403AndTheHandlerDoesNotRun(t *testing.T) {
	each(t, shopfront.RequireIs403)
}

func TestAStoreThatIsAwayIs503AndCookiesStayAsTheyAre(t *testing.T) {
	each(t, shopfront.AnOutageIs503)
}

func TestASaveThatFailsReplacesTheAnswer(t *testing.T) {
	each(t, shopfront.AFailedSaveReplacesTheAnswer)
}

// echo calls its error handler when all middleware has returned; gin's is
// middleware further out than Handler in its chain.
func TestWhatTheErrorHandlerSetsIsSaved(t *testing.T) {
	each(t, shopfront.TheErrorHandlersChangesAreSaved)
}

func TestAnAbortedChainIsSavedToo(t *testing.T) {
	each(t, func(s *shopfront.Shop) {
		v := s.Visitor()
		if a := v.Do("POST", "/abort/tofu"); a.Status != 418 {
			s.T.Errorf("status %d, want 418", a.Status)
		}
		v.Want("GET", "/cart", 200, "tofu")
		s.Store.Fail(errors.New("connection refused"))
		v.Refused("POST", "/abort/rice", 503)
	}, "net/http", "chi") // which have no such thing
}

func TestAPanicThatIsRecoveredFurtherOutDropsWhatIsNotSaved(t *testing.T) {
	each(t, shopfront.APanicDropsChanges, "net/http", "huma") // whose server ends the connection
}

func TestTheRoutersOwn404Stays(t *testing.T) {
	each(t, shopfront.TheRoutersOwn404Stays)
}

// gin's context is a context.Context too, but not the request's.
func TestFromWithGinsContextSaysWhatToPass(t *testing.T) {
	said := make(chan any, 1)
	s := serve(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.GET("/", func(c *gin.Context) {
			defer func() { said <- recover() }()
			_ = add(c, "tofu")
		})
		return sessions.Handler(r)
	})
	s.Visitor().Do("GET", "/")
	if hint, _ := (<-said).(string); !strings.Contains(hint, "in gin c.Request.Context()") {
		t.Errorf("From(gin's context) said %q", hint)
	}

	s = serve(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.ContextWithFallback = true
		r.GET("/", func(c *gin.Context) { said <- add(c, "tofu") })
		return sessions.Handler(r)
	})
	s.Visitor().Do("GET", "/")
	if err := <-said; err != nil {
		t.Errorf("with ContextWithFallback: %v", err)
	}
}

// gin goes on after middleware that has answered, unless the chain is aborted.
func TestGinsChainEndsWhereARequestIsRefused(t *testing.T) {
	for _, place := range []string{"around", "chain"} {
		var ran atomic.Bool
		s := serve(t, func(sessions *session.Manager) http.Handler {
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
		s.Visitor().Refused("GET", "/", 403)
		if ran.Load() {
			t.Errorf("%s: the handler has run after the 403", place)
		}
	}
}

// Middleware that hands on the request alone lets gin write past the session:
// the cookie would come too late, and so no session begins, which is told.
func TestAGinHandlerThatWritesPastTheSessionIsTold(t *testing.T) {
	s := serve(t, func(sessions *session.Manager) http.Handler {
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
	s.Visitor().Want("POST", "/cart/tofu", 200, "added")
	s.WantLost(session.ErrTooLate)
	if saves := s.Store.Saves(); saves != 0 {
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
	around := serve(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		ginRoutes(r, sessions)
		r.POST("/again", again(r))
		return sessions.Handler(r)
	})
	v := around.Visitor()
	v.Want("POST", "/again", 200, "added")
	v.Want("GET", "/cart", 200, "tofu")

	chain := serve(t, func(sessions *session.Manager) http.Handler {
		r := gin.New()
		r.Use(ginUse(sessions.Handler))
		ginRoutes(r, sessions)
		r.POST("/again", again(r))
		return r
	})
	chain.Visitor().Want("POST", "/again", 200, "added")
	chain.WantLost(session.ErrTooLate)
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
		{"huma", http.StatusInternalServerError, func() http.Handler {
			mux := http.NewServeMux()
			api := humago.New(mux, huma.DefaultConfig("", ""))
			huma.Get(api, "/", func(context.Context, *struct{}) (*struct{}, error) { return nil, session.ErrUnavailable })
			return mux
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
