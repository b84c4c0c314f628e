package failure_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/failure"
)

func TestAnErrorIsAnsweredWithItsStatus(t *testing.T) {
	teapot := failure.New(http.StatusTeapot, "session: teapot")
	for _, test := range []struct {
		err    error
		status int
		retry  string
		text   string
	}{
		{failure.ErrNoSession, http.StatusForbidden, "", "session required"},
		{fmt.Errorf("%w: by a rotation", failure.ErrEnded), http.StatusServiceUnavailable, "1", "has just ended"},
		{failure.ErrUnavailable, http.StatusServiceUnavailable, "5", "unavailable"},
		{failure.ErrNotAsked, http.StatusServiceUnavailable, "5", "unavailable"},
		{failure.ErrPending, http.StatusServiceUnavailable, "", "session failed"},
		{failure.ErrTooLarge, http.StatusInternalServerError, "", "session failed"},
		{errors.New("disk full at /var/lib"), http.StatusInternalServerError, "", "session failed"},
		{fmt.Errorf("handler: %w", teapot), http.StatusTeapot, "", "session failed"},
	} {
		if got := failure.Status(test.err); got != test.status {
			t.Errorf("%v: got status %d, want %d", test.err, got, test.status)
		}
		w := httptest.NewRecorder()
		failure.Answer(w, test.err)
		if w.Code != test.status || w.Header().Get("Retry-After") != test.retry || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: got %d with %v, want %d and Retry-After %q", test.err, w.Code, w.Header(), test.status, test.retry)
		}
		if body := w.Body.String(); !strings.Contains(body, test.text) || strings.Contains(body, "disk") {
			t.Errorf("%v: the client reads %q, want %q", test.err, body, test.text)
		}
	}
}

func TestAnErrorIsAnsweredInAnyCase(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		status int
		body   string
	}{
		"with nothing":      {func(http.ResponseWriter) {}, http.StatusInternalServerError, ""},
		"with a field":      {func(w http.ResponseWriter) { w.Header().Set("X-Why", "session") }, http.StatusInternalServerError, ""},
		"with a status":     {func(w http.ResponseWriter) { w.WriteHeader(http.StatusFound) }, http.StatusFound, ""},
		"with a body":       {func(w http.ResponseWriter) { io.WriteString(w, "sorry") }, http.StatusOK, "sorry"},
		"by a wrapped one":  {func(w http.ResponseWriter) { http.Error(w, "no", http.StatusGone) }, http.StatusGone, "no\n"},
		"by the controller": {func(w http.ResponseWriter) { http.NewResponseController(w).Flush() }, http.StatusOK, ""},
	} {
		r := httptest.NewRecorder()
		w := failure.NewWriter(r)
		test.answer(w)
		w.End()
		if r.Code != test.status || r.Body.String() != test.body {
			t.Errorf("%s: got %d %q, want %d %q", name, r.Code, r.Body, test.status, test.body)
		}
	}
}
