package routers

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/holdfast-go/session"
)

// Echo4 serves the shop with echo v4. Its WrapMiddleware takes the Manager's
// methods as they are.
func Echo4(sessions *session.Manager) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = echo4Errors(e)
	e.Use(middleware.Recover(), echo.WrapMiddleware(sessions.Handler))
	readOnly := echo.WrapMiddleware(sessions.ReadOnly)
	require := echo.WrapMiddleware(sessions.Require)
	requireStore := echo.WrapMiddleware(sessions.RequireStore)

	e.GET("/food", func(c echo.Context) error { return c.String(http.StatusOK, "tofu") })
	e.POST("/cart/:sku", func(c echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		return c.String(http.StatusOK, "added")
	})
	e.GET("/cart", echo4Show, readOnly)
	e.GET("/mine", echo4Show, require, readOnly)
	e.POST("/pay", func(c echo.Context) error {
		if err := pay(c.Request().Context()); err != nil {
			return err
		}
		return c.String(http.StatusOK, "paid")
	}, require, requireStore)
	e.GET("/notice", func(c echo.Context) error {
		text, err := noticed(c.Request().Context())
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, text)
	})
	e.POST("/quiet/:sku", func(c echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	e.POST("/abort/:sku", func(c echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		return echo.NewHTTPError(http.StatusTeapot)
	})
	e.POST("/stream/:sku", func(c echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		c.Response().Flush()
		for _, line := range lines {
			io.WriteString(c.Response(), line)
			c.Response().Flush()
		}
		return nil
	})
	e.POST("/panic/:sku", func(c echo.Context) error {
		if err := add(c.Request().Context(), c.Param("sku")); err != nil {
			return err
		}
		panic("a defect of the handler's")
	})
	return e
}

// echo4Errors gives errors that know their status the answer they ask for. echo
// v4 by itself answers all but its own with 500.
func echo4Errors(e *echo.Echo) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		remember(c.Request().Context(), err)
		var known session.StatusError
		if errors.As(err, &known) && !c.Response().Committed {
			err = echo.NewHTTPError(status(c.Response().Header(), known)).SetInternal(err)
		}
		e.DefaultHTTPErrorHandler(err, c)
	}
}

func echo4Show(c echo.Context) error {
	text, err := show(c.Request().Context())
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, text)
}
