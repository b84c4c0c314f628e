package routers

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/session"
)

// Gin serves the shop with gin inside Handler, which is the way to choose: all
// that gin writes, and whenever it does, comes through the session's writer.
func Gin(sessions *session.Manager) http.Handler {
	r := gin.New()
	r.Use(ginRecover, answerErrors)
	ginRoutes(r, sessions)
	return sessions.Handler(r)
}

// GinChain serves the shop with Handler inside gin's chain, for applications
// that cannot wrap the engine. ginRecover stands further out, so that a panic
// passes through Handler and drops what is not saved.
func GinChain(sessions *session.Manager) http.Handler {
	r := gin.New()
	r.Use(ginRecover, answerErrors, ginUse(sessions.Handler))
	ginRoutes(r, sessions)
	return r
}

// ginRecover stands in for gin's Recovery, which has the cookies of a request in its log where a
// handler aborts, and answers 200 then. session.Error drops what the handler had changed. Behind
// the header there is no answer to give: a panic through Handler drops it, and ends the connection.
func ginRecover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err, _ := p.(error)
		if !errors.Is(err, http.ErrAbortHandler) {
			log.Printf("panic: %v\n%s", p, debug.Stack())
			if !c.Writer.Written() {
				session.Error(c.Writer, c.Request, errPanic)
				c.Abort()
				return
			}
		}
		panic(http.ErrAbortHandler)
	}()
	c.Next()
}

var errPanic = errors.New("the handler has panicked")

// answerErrors answers the error that a handler has left in c.Errors, which gin
// by itself answers with 200 and an empty page.
func answerErrors(c *gin.Context) {
	c.Next()
	last := c.Errors.Last()
	if last == nil || c.Writer.Written() {
		return
	}
	remember(c.Request.Context(), last)
	code := status(c.Writer.Header(), last)
	c.JSON(code, gin.H{"error": http.StatusText(code)})
}

// ginAction is a handler that may return an error instead of answering.
func ginAction(do func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := do(c); err != nil {
			_ = c.Error(err)
			c.Abort()
		}
	}
}

// ginUse makes gin's middleware of a Manager's Handler, ReadOnly, Require or
// RequireStore. Where that one answers, the rest of the chain does not run.
func ginUse(wrap func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			if w != http.ResponseWriter(c.Writer) {
				c.Writer = &ginWriter{ResponseWriter: c.Writer, session: w}
			}
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// ginWriter brings what gin writes to the session's writer, which saves before
// the first byte, and which writes to gin's own. It stays in place when the
// middleware has returned, for what middleware further out answers.
type ginWriter struct {
	gin.ResponseWriter
	session http.ResponseWriter
}

func (w *ginWriter) WriteHeaderNow() {
	if !w.Written() {
		w.session.WriteHeader(w.Status())
		w.ResponseWriter.WriteHeaderNow()
	}
}

func (w *ginWriter) Write(p []byte) (int, error) { return w.session.Write(p) }

func (w *ginWriter) WriteString(s string) (int, error) { return io.WriteString(w.session, s) }

func (w *ginWriter) Flush() { _ = http.NewResponseController(w.session).Flush() }

// Hijack saves, and sends the cookies with the handshake.
func (w *ginWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.session).Hijack()
}

func (w *ginWriter) Unwrap() http.ResponseWriter { return w.session }

func ginRoutes(r *gin.Engine, sessions *session.Manager) {
	r.GET("/food", func(c *gin.Context) { c.String(http.StatusOK, "tofu") })
	r.POST("/cart/:sku", ginAction(func(c *gin.Context) error {
		if err := add(c.Request.Context(), c.Param("sku")); err != nil { // not add(c, …)
			return err
		}
		c.String(http.StatusOK, "added")
		return nil
	}))
	r.GET("/cart", ginUse(sessions.ReadOnly), ginAction(ginShow))
	r.GET("/mine", ginUse(sessions.Require), ginUse(sessions.ReadOnly), ginAction(ginShow))
	r.POST("/pay", ginUse(sessions.Require), ginUse(sessions.RequireStore), ginAction(func(c *gin.Context) error {
		if err := pay(c.Request.Context()); err != nil {
			return err
		}
		c.String(http.StatusOK, "paid")
		return nil
	}))
	r.GET("/notice", ginAction(func(c *gin.Context) error {
		text, err := noticed(c.Request.Context())
		if err != nil {
			return err
		}
		c.String(http.StatusOK, text)
		return nil
	}))
	r.POST("/quiet/:sku", ginAction(func(c *gin.Context) error {
		if err := add(c.Request.Context(), c.Param("sku")); err != nil {
			return err
		}
		c.Status(http.StatusNoContent)
		return nil
	}))
	r.POST("/abort/:sku", ginAction(func(c *gin.Context) error {
		if err := add(c.Request.Context(), c.Param("sku")); err != nil {
			return err
		}
		c.AbortWithStatus(http.StatusTeapot)
		return nil
	}), func(*gin.Context) { panic("the chain went on") })
	r.POST("/stream/:sku", ginAction(func(c *gin.Context) error {
		if err := add(c.Request.Context(), c.Param("sku")); err != nil {
			return err
		}
		// A stream may outlast the server's WriteTimeout.
		if err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
		c.Writer.Flush() // the header, which saves
		next := 0
		c.Stream(func(w io.Writer) bool {
			io.WriteString(w, lines[next])
			next++
			return next < len(lines)
		})
		return nil
	}))
	r.POST("/panic/:sku", ginAction(func(c *gin.Context) error {
		if err := add(c.Request.Context(), c.Param("sku")); err != nil {
			return err
		}
		panic("a defect of the handler's")
	}))
}

func ginShow(c *gin.Context) error {
	text, err := show(c.Request.Context())
	if err != nil {
		return err
	}
	c.String(http.StatusOK, text)
	return nil
}
