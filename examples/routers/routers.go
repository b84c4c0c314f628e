// Package routers serves one small shop with net/http, chi, gin, echo, huma and
// connect, and what outlives its header: server-sent events and a websocket.
// It shows, for each, how the routes are wrapped, which context a handler passes
// to session.From, and how an error that a handler returns becomes its answer.
//
// This file has what the shop does, and knows no framework. Each other file is for
// one framework, to be copied from; docs/FRAMEWORKS.md quotes them.
package routers

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/holdfast-go/session"
)

var (
	cart   = session.NewKey[[]string]("cart")
	notice = session.NewKey[string]("notice")
)

// problem is an error of the shop's own. With this one method session.Status
// finds its status as it finds those of the session's errors.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func (p *problem) StatusCode() int { return p.status }

var errSoldOut = &problem{http.StatusConflict, "sold out"}

// add puts an article into the cart, and begins a session where there is none.
func add(ctx context.Context, sku string) error {
	if sku == "caviar" {
		return errSoldOut
	}
	s, err := session.From(ctx)
	if err != nil {
		return err
	}
	return cart.Update(s, func(c *[]string) error { *c = append(*c, sku); return nil })
}

// show returns what is in the cart.
func show(ctx context.Context) (string, error) {
	s, err := session.From(ctx)
	if err != nil {
		return "", err
	}
	return strings.Join(cart.Or(s, nil), ","), nil
}

// pay empties the cart.
func pay(ctx context.Context) error {
	s, err := session.From(ctx)
	if err != nil {
		return err
	}
	cart.Delete(s)
	return nil // the commit answers an error
}

// noticed returns the message for this page, and takes it out of the session.
func noticed(ctx context.Context) (string, error) {
	s, err := session.From(ctx)
	if err != nil {
		return "", err
	}
	text, err := notice.Take(s)
	if errors.Is(err, session.ErrNoValue) {
		return "", nil
	}
	return text, err
}

// remember leaves a message for the visitor's next page. The error handlers call
// it, and with echo all middleware has returned by then: it is saved all the same.
func remember(ctx context.Context, err error) {
	if !errors.Is(err, errSoldOut) {
		return
	}
	if s, err := session.From(ctx); err == nil {
		notice.Set(s, errSoldOut.text)
	}
}

// status returns the status that err is answered with, and sets Retry-After where
// the same request may soon succeed.
func status(h http.Header, err error) int {
	code := session.Status(err)
	if code == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	return code
}
