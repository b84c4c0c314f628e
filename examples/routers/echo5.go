package routers

import (
	"io"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/holdfast-go/session"
)

// Echo5 serves the shop with echo v5. Its WrapMiddleware takes the Manager's
// methods as they are.
func Echo5(sessions *session.Manager) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = echo5Errors()
	e.Use(middleware.Recover(), echo.WrapMiddleware(sessions.Handler))
	readOnly := echo.WrapMiddleware(sessions.ReadOnly)
	require := echo.WrapMiddleware(sessions.Require)
	requireStore := echo.WrapMiddleware(sessions.RequireStore)

	e.GET("/food", func(c *echo.Context) error { return c.String(http.StatusOK, "tofu") })
	e.POST("/cart/:sku", func(c *echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		return c.String(http.StatusOK, "added")
	})
	e.GET("/cart", echo5Show, readOnly)
	e.GET("/mine", echo5Show, require, readOnly)
	e.POST("/pay", func(c *echo.Context) error {
		if err := pay(c.Request().Context()); err != nil {
			return err
		}
		return c.String(http.StatusOK, "paid")
	}, require, requireStore)
	e.GET("/notice", func(c *echo.Context) error {
		text, err := noticed(c.Request().Context())
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, text)
	})
	e.POST("/quiet/:sku", func(c *echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	e.POST("/abort/:sku", func(c *echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		return echo.NewHTTPError(http.StatusTeapot, "")
	})
	e.POST("/stream/:sku", func(c *echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		flush := http.NewResponseController(c.Response()).Flush
		if err := flush(); err != nil {
			return err
		}
		for _, line := range lines {
			io.WriteString(c.Response(), line)
			if err := flush(); err != nil {
				return err
			}
		}
		return nil
	})
	e.POST("/panic/:sku", func(c *echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		panic("a defect of the handler's")
	})
	return e
}

// echo5Errors adds to echo's answer when to come back. echo v5 by itself finds the
// status of the session's errors.
func echo5Errors() echo.HTTPErrorHandler {
	answer := echo.DefaultHTTPErrorHandler(false)
	return func(c *echo.Context, err error) {
		remember(c.Request().Context(), err)
		status(c.Response().Header(), err)
		answer(c, err)
	}
}

func echo5Show(c *echo.Context) error {
	text, err := show(c.Request().Context())
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, text)
}
