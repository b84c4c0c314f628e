package peer

import (
	"io"
	"net"
	"net/http"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/memcached"
	"github.com/gin-contrib/sessions/redis"
	"github.com/gin-gonic/gin"
)

func ginRedis(servers Servers, gates *gates) (served, error) {
	store, err := redis.NewStore(10, "tcp", servers.Redis, "", "", gorillaKey)
	if err != nil {
		return served{}, err
	}
	return onGin(store, gates), nil
}

func ginMemcached(servers Servers, gates *gates) (served, error) {
	return onGin(memcached.NewStore(memcache.New(servers.Memcached...), "", gorillaKey), gates), nil
}

// onGin is the application once more, with gin's own context. The README of
// gin-contrib/sessions ignores the error of Save; here it is answered.
func onGin(store sessions.Store, gates *gates) served {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultWriter = io.Discard
	r := gin.New()
	r.Use(gin.Recovery(), sessions.Sessions("mysession", store))
	answer := func(c *gin.Context, v Visit, err error) {
		if err != nil {
			c.String(http.StatusInternalServerError, err.Error())
			return
		}
		c.JSON(http.StatusOK, v)
	}
	get := func(c *gin.Context) (sessions.Session, Visit) {
		s := sessions.Default(c)
		user, _ := s.Get("user").(string)
		cart, _ := s.Get("cart").([]string)
		return s, Visit{user, cart}
	}
	r.POST(LoginPath, func(c *gin.Context) {
		s, v := get(c)
		v.User = c.Query("user")
		s.Set("user", v.User)
		answer(c, v, s.Save())
	})
	r.GET(MePath, func(c *gin.Context) {
		_, v := get(c)
		gates.hold(c.Query("gate"))
		answer(c, v, nil)
	})
	r.POST(AddPath, func(c *gin.Context) {
		s, v := get(c)
		gates.hold(c.Query("gate"))
		v.Cart = append(v.Cart, c.Query("thing"))
		s.Set("cart", v.Cart)
		answer(c, v, s.Save())
	})
	r.POST(LogoutPath, func(c *gin.Context) {
		s, _ := get(c)
		s.Clear()
		s.Options(sessions.Options{Path: "/", MaxAge: -1})
		answer(c, Visit{}, s.Save())
	})
	return served{on: func(ln net.Listener) error { return (&http.Server{Handler: r}).Serve(ln) }}
}
