package interop_test

import (
	"errors"
	"net/http"
	"testing"

	ginsessions "github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/session/gorillabridge"
)

// ginStore has the method that gin-contrib/sessions asks for beyond gorilla's Store.
type ginStore struct{ *gorillabridge.Store }

// Options does nothing: the cookie and the lifetimes are the Manager's.
func (ginStore) Options(ginsessions.Options) {}

func ginRoutes(store *gorillabridge.Store) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(ginsessions.Sessions("cart", ginStore{store}))
	r.GET("/add", func(c *gin.Context) {
		g := ginsessions.Default(c)
		n, _ := g.Get("items").(int)
		g.Set("items", n+1)
		g.AddFlash("added")
		if err := g.Save(); err != nil {
			_ = c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.String(http.StatusOK, "%d", n+1)
	})
	r.GET("/show", func(c *gin.Context) {
		g := ginsessions.Default(c)
		flashes := g.Flashes()
		_ = g.Save()
		c.String(http.StatusOK, "%v %v", g.Get("items"), flashes)
	})
	r.GET("/clear", func(c *gin.Context) {
		g := ginsessions.Default(c)
		g.Clear()
		_ = g.Save()
	})
	r.GET("/end", func(c *gin.Context) {
		g := ginsessions.Default(c)
		g.Options(ginsessions.Options{MaxAge: -1})
		_ = g.Save()
	})
	return r
}

func TestGinContribSessions(t *testing.T) {
	s := newSite(t)
	routes := ginRoutes(s.store)
	at := func(path string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = path
			routes.ServeHTTP(w, r)
		}
	}
	b := s.visitor()
	for _, step := range []struct{ path, want string }{
		{"/show", "<nil> []"}, {"/add", "1"}, {"/add", "2"}, {"/show", "2 [added added]"}, {"/show", "2 []"},
		{"/clear", ""}, {"/show", "<nil> []"}, {"/add", "1"}, {"/end", ""}, {"/show", "<nil> []"},
	} {
		if a := b.do(at(step.path)); a.status != http.StatusOK || a.body != step.want {
			t.Errorf("%s: %+v, want %q", step.path, a, step.want)
		}
	}
	b.do(at("/add"))
	s.faulty.Fail(errors.New("connection refused"))
	for _, path := range []string{"/show", "/add", "/clear", "/end"} {
		if a := b.do(at(path)); a.status != http.StatusServiceUnavailable {
			t.Errorf("%s in an outage: %+v", path, a)
		}
	}
	s.faulty.Heal()
	if a := b.do(at("/show")); a.body != "1 [added]" {
		t.Errorf("after the outage: %+v", a)
	}
}
