package routers

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	gorilla "github.com/gorilla/websocket"
	echo4 "github.com/labstack/echo/v4"
	echo4middleware "github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"
	echo5middleware "github.com/labstack/echo/v5/middleware"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/shopfront"
	"github.com/holdfast-go/session/sessiontest"
)

// plain serves one handler of net/http at / in each router, beside middleware that wraps
// the writer further in or further out than Handler.
var plain = map[string]func(*session.Manager, http.HandlerFunc) http.Handler{
	"chi": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inChi(h, chimiddleware.Recoverer, m.Handler)
	},
	"chi, Compress further out": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inChi(h, chimiddleware.Compress(5), chimiddleware.Recoverer, m.Handler)
	},
	"chi, Compress further in": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inChi(h, chimiddleware.Recoverer, m.Handler, chimiddleware.Compress(5))
	},
	"gin": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return m.Handler(inGin(h, ginRecover))
	},
	"gin, in its chain": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inGin(h, ginRecover, ginUse(m.Handler))
	},
	"echo v4": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inEcho4(h, echo4middleware.Recover(), echo4.WrapMiddleware(m.Handler))
	},
	"echo v4, Gzip further out": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inEcho4(h, echo4middleware.Gzip(), echo4middleware.Recover(), echo4.WrapMiddleware(m.Handler))
	},
	"echo v4, Gzip further in": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inEcho4(h, echo4middleware.Recover(), echo4.WrapMiddleware(m.Handler), echo4middleware.Gzip())
	},
	"echo v5": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inEcho5(h, echo5middleware.Recover(), echo5.WrapMiddleware(m.Handler))
	},
	"echo v5, Gzip further out": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inEcho5(h, echo5middleware.Gzip(), echo5middleware.Recover(), echo5.WrapMiddleware(m.Handler))
	},
	"echo v5, Gzip further in": func(m *session.Manager, h http.HandlerFunc) http.Handler {
		return inEcho5(h, echo5middleware.Recover(), echo5.WrapMiddleware(m.Handler), echo5middleware.Gzip())
	},
}

func inChi(h http.HandlerFunc, use ...func(http.Handler) http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(use...)
	r.HandleFunc("/", h)
	return r
}

func inGin(h http.HandlerFunc, use ...gin.HandlerFunc) http.Handler {
	r := gin.New()
	r.Use(use...)
	r.Any("/", func(c *gin.Context) { h(c.Writer, c.Request) })
	return r
}

func inEcho4(h http.HandlerFunc, use ...echo4.MiddlewareFunc) http.Handler {
	e := echo4.New()
	e.Logger.SetOutput(io.Discard)
	e.Use(use...)
	e.Any("/", func(c echo4.Context) error { h(c.Response(), c.Request()); return nil })
	return e
}

func inEcho5(h http.HandlerFunc, use ...echo5.MiddlewareFunc) http.Handler {
	e := echo5.New()
	e.Use(use...)
	e.Any("/", func(c *echo5.Context) error { h(c.Response(), c.Request()); return nil })
	return e
}

// eachPlain serves h in each router.
func eachPlain(t *testing.T, h func(t *testing.T, w http.ResponseWriter, r *http.Request), f func(*testing.T, *shopfront.Shop)) {
	t.Helper()
	for name, routes := range plain {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(m *session.Manager) http.Handler {
				return routes(m, func(w http.ResponseWriter, r *http.Request) { h(t, w, r) })
			})
			f(t, s)
			s.WantLost(nil)
		})
	}
}

// wantTofu asks that an answer has the cookie of a session in the store, which has tofu.
func wantTofu(t *testing.T, s *shopfront.Shop, res *http.Response) {
	t.Helper()
	cookies := res.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("the answer has %d cookies, want 1", len(cookies))
	}
	x := s.Sessions.Load(t.Context(), http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}})
	if got := strings.Join(cart.Or(x, nil), ","); got != "tofu" {
		t.Errorf("the cart of the cookie is %q, want tofu", got)
	}
}

// A session that begins with a handshake has its cookie, whatever writer the router hands
// on and however the library takes the connection over.
func TestAHandshakeBeginsASessionInEachRouter(t *testing.T) {
	upgrader := gorilla.Upgrader{}
	for library, hello := range map[string]func(http.ResponseWriter, *http.Request) error{
		"gorilla": func(w http.ResponseWriter, r *http.Request) error {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return err
			}
			defer c.Close()
			return c.WriteMessage(gorilla.TextMessage, []byte("hello"))
		},
		"coder": func(w http.ResponseWriter, r *http.Request) error {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return err
			}
			defer func() { _ = c.CloseNow() }()
			return c.Write(r.Context(), websocket.MessageText, []byte("hello"))
		},
	} {
		t.Run(library, func(t *testing.T) {
			eachPlain(t, func(t *testing.T, w http.ResponseWriter, r *http.Request) {
				if err := add(r.Context(), "tofu"); err != nil {
					t.Error(err)
				}
				if err := hello(w, r); err != nil {
					t.Error(err)
				}
			}, func(t *testing.T, s *shopfront.Shop) {
				c, answer, err := gorilla.DefaultDialer.DialContext(t.Context(), "ws"+s.URL[len("http"):], nil)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, text, err := c.ReadMessage(); string(text) != "hello" || err != nil {
					t.Errorf("the frame behind the handshake is %q, %v", text, err)
				}
				wantTofu(t, s, answer)
			})
		})
	}
}

// The header is all that some answers have.
func TestAnAnswerWithoutABodySavesToo(t *testing.T) {
	for _, row := range []struct {
		method, has string // has: what the visitor has already
		status      int
		body        string
	}{
		{http.MethodGet, "", 200, "content"},
		{http.MethodHead, "", 200, ""},
		{http.MethodGet, `"v1"`, 304, ""},
		{http.MethodHead, `"v1"`, 304, ""},
	} {
		t.Run(row.method+" "+row.has, func(t *testing.T) {
			eachPlain(t, func(t *testing.T, w http.ResponseWriter, r *http.Request) {
				if err := add(r.Context(), "tofu"); err != nil {
					t.Error(err)
				}
				w.Header().Set("ETag", `"v1"`)
				http.ServeContent(w, r, "page.txt", time.Time{}, strings.NewReader("content"))
			}, func(t *testing.T, s *shopfront.Shop) {
				r, err := http.NewRequestWithContext(t.Context(), row.method, s.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				if row.has != "" {
					r.Header.Set("If-None-Match", row.has)
				}
				res, err := (&http.Client{Transport: &s.Transport}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if body, err := io.ReadAll(res.Body); res.StatusCode != row.status || string(body) != row.body || err != nil {
					t.Errorf("%d %q, %v, want %d %q", res.StatusCode, body, err, row.status, row.body)
				}
				wantTofu(t, s, res)
			})
		})
	}
}

// What a handler changes behind the header is saved when it returns, and dropped when it
// panics, wherever the panic is recovered.
func TestAPanicBehindTheHeaderDropsWhatIsNotSaved(t *testing.T) {
	eachPlain(t, func(t *testing.T, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			text, err := show(r.Context())
			if err != nil {
				t.Error(err)
			}
			io.WriteString(w, text)
			return
		}
		if err := add(r.Context(), "tofu"); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "one\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		if err := add(r.Context(), "rice"); err != nil {
			t.Error(err)
		}
		panic("a defect of the handler's")
	}, func(t *testing.T, s *shopfront.Shop) {
		v := s.Visitor()
		res, err := v.Client.Post(s.URL, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.ReadAll(res.Body) // some routers end the answer, and some the connection
		v.Want("GET", "/", 200, "tofu")
	})
}

// A handler that aborts ends the connection, without a word of it in a log that has cookies.
func TestAHandlerThatAbortsDropsWhatIsNotSaved(t *testing.T) {
	eachPlain(t, func(t *testing.T, w http.ResponseWriter, r *http.Request) {
		sku := r.URL.Query().Get("sku")
		if err := add(r.Context(), sku); err != nil {
			t.Error(err)
		}
		if sku == "rice" {
			panic(http.ErrAbortHandler)
		}
		text, err := show(r.Context())
		if err != nil {
			t.Error(err)
		}
		io.WriteString(w, text)
	}, func(t *testing.T, s *shopfront.Shop) {
		v := s.Visitor()
		v.Want("POST", "/?sku=tofu", 200, "tofu")
		if res, err := v.Client.Post(s.URL+"/?sku=rice", "", nil); err == nil {
			res.Body.Close()
			t.Errorf("got %d, want no answer", res.StatusCode)
		}
		v.Want("POST", "/?sku=beans", 200, "tofu,beans")
	})
}

// A login that comes after the 503 of a TimeoutHandler leaves the visitor the session of before,
// if Handler is further out. Else it ends that one, and the cookie of the new one is dropped.
func TestATimeoutBelongsInsideHandler(t *testing.T) {
	timeout := func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Second, "too late") }
	for _, test := range []struct {
		name, has string
		wrap      func(*session.Manager, http.Handler) http.Handler
	}{
		{"inside", "tofu", func(m *session.Manager, h http.Handler) http.Handler { return m.Handler(timeout(h)) }},
		{"around", "", func(m *session.Manager, h http.Handler) http.Handler { return timeout(m.Handler(h)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := sessiontest.New(t, nil)
				login := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					s, err := session.From(r.Context())
					if err != nil {
						t.Error(err)
					}
					time.Sleep(2 * time.Second)
					s.Renew()
				})
				v := sessiontest.NewVisitor(t, m, func(s *session.Session) { cart.Set(s, []string{"tofu"}) })
				answer := v.Do(test.wrap(m, login), v.Request(http.MethodPost, "/login", nil))
				if answer.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("got %d, want 503", answer.StatusCode)
				}
				time.Sleep(2 * time.Second)
				if got := strings.Join(cart.Or(v.Session(), nil), ","); got != test.has {
					t.Errorf("the visitor has %q afterwards, want %q", got, test.has)
				}
			})
		})
	}
}
