package fibersession

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/holdfast-go/session"
)

// statusError is an error that knows its status, as fiber's ErrorHandler sees it.
type statusError struct {
	error
	status int
}

// Error returns the text of the status, which fiber by default sends to the visitor.
func (e *statusError) Error() string { return http.StatusText(e.status) }

// Unwrap returns the error that the handler has returned.
func (e *statusError) Unwrap() error { return e.error }

// As makes the error a *fiber.Error.
func (e *statusError) As(target any) bool {
	to, ok := target.(**fiber.Error)
	if ok {
		*to = fiber.NewError(e.status, http.StatusText(e.status))
	}
	return ok
}

// withStatus returns what fiber's ErrorHandler gets for an error of the handlers. The
// errors of fiber itself, and those that know no status, stay as they are.
func withStatus(c fiber.Ctx, err error) error {
	var own *fiber.Error
	var known session.StatusError
	if errors.As(err, &own) || !errors.As(err, &known) {
		return err
	}
	status := session.Status(known)
	if status == http.StatusServiceUnavailable && c.GetRespHeader(fiber.HeaderRetryAfter) == "" {
		after := "5"
		if errors.Is(err, session.ErrEnded) {
			after = "1"
		}
		c.Set(fiber.HeaderRetryAfter, after)
	}
	return &statusError{err, status}
}
