package shopfront

import (
	"errors"
	"net/http"

	"github.com/holdfast-go/session"
)

// ErrAway is the store's error in an outage.
var ErrAway = errors.New("connection refused")

// ChangesAreSaved: what a handler changes is saved, and its cookie sent.
func ChangesAreSaved(s *Shop) {
	t, v := s.T, s.Visitor()
	v.Want("GET", "/food", 200, "tofu")
	v.Want("GET", "/cart", 200, "")
	if n := s.Store.Loads() + s.Store.Saves(); n != 0 || len(v.Cookies()) != 0 {
		t.Errorf("%d store commands, cookies %v, before there is a session", n, v.Cookies())
	}
	v.Want("POST", "/cart/tofu", 200, "added")
	v.Want("POST", "/cart/rice", 200, "added")
	v.Want("GET", "/cart", 200, "tofu,rice")
	v.Want("GET", "/mine", 200, "tofu,rice")
	v.Want("POST", "/pay", 200, "paid")
	v.Want("GET", "/cart", 200, "")
	loads := s.Store.Loads()
	v.Want("GET", "/food", 200, "tofu")
	if n := s.Store.Loads() - loads; n != 0 {
		t.Errorf("%d loads on a route that does not ask for the session", n)
	}

	v = s.Visitor()
	v.Want("POST", "/quiet/tofu", 204, "") // a status, and no byte
	v.Want("GET", "/cart", 200, "tofu")
	v = s.Visitor()
	v.Want("POST", "/stream/tofu", 200, "one\ntwo\n")
	v.Want("GET", "/cart", 200, "tofu")
	s.WantLost(nil)
}

// RequireIs403: without a session Require answers 403, and the handler does not run.
func RequireIs403(s *Shop) {
	v := s.Visitor()
	v.Refused("GET", "/mine", 403)
	v.Refused("POST", "/pay", 403)
	if n := s.Store.Loads() + s.Store.Saves(); n != 0 {
		s.T.Errorf("%d store commands", n)
	}
}

// AnOutageIs503: in an outage of the store a route that needs a session answers 503, and
// cookies stay as they are.
func AnOutageIs503(s *Shop) {
	v, stranger := s.Visitor(), s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	s.Store.Fail(ErrAway)
	for range 2 {
		v.Refused("GET", "/cart", 503)
		v.Refused("GET", "/mine", 503)
		v.Refused("POST", "/cart/rice", 503)
		v.Refused("POST", "/quiet/rice", 503)
		v.Refused("POST", "/stream/rice", 503)
		v.Refused("POST", "/pay", 503)
		stranger.Refused("POST", "/cart/rice", 503)
		stranger.Refused("POST", "/quiet/rice", 503)
		stranger.Refused("POST", "/stream/rice", 503)
		v.Want("GET", "/food", 200, "tofu")
	}
	s.Store.Heal()
	v.Want("GET", "/cart", 200, "tofu")
	if len(stranger.Cookies()) != 0 {
		s.T.Errorf("the stranger has cookies: %v", stranger.Cookies())
	}
}

// AFailedSaveReplacesTheAnswer: the session is loaded, the handler has answered 200, and
// then the save fails. The visitor gets the answer of Options.Error instead.
func AFailedSaveReplacesTheAnswer(s *Shop) {
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	s.Store.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errors.New("read-only replica")
		}
		return nil
	})
	for _, path := range []string{"/cart/rice", "/quiet/rice", "/stream/rice"} {
		a := v.Refused("POST", path, 503)
		if a.Body != "session unavailable, try again\n" || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			s.T.Errorf("%s: the answer is not that of Options.Error: %+v", path, a)
		}
	}
	s.Store.Before(nil)
	v.Want("GET", "/cart", 200, "tofu")
}

// TheErrorHandlersChangesAreSaved: a framework's error handler leaves a message for the
// visitor's next page, with a session or without one.
func TheErrorHandlersChangesAreSaved(s *Shop) {
	known, stranger := s.Visitor(), s.Visitor()
	known.Want("POST", "/cart/tofu", 200, "added")
	for _, v := range []*Visitor{known, stranger} {
		if a := v.Do("POST", "/cart/caviar"); a.Status != http.StatusConflict {
			s.T.Errorf("status %d, want 409", a.Status)
		}
		v.Want("GET", "/notice", 200, "sold out")
		v.Want("GET", "/notice", 200, "")
	}
	known.Want("GET", "/cart", 200, "tofu")
	s.WantLost(nil)
}

// APanicDropsChanges: a panic that is recovered further out drops what is not saved.
func APanicDropsChanges(s *Shop) {
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	v.Refused("POST", "/panic/rice", 500)
	v.Want("GET", "/cart", 200, "tofu")
	s.Visitor().Refused("POST", "/panic/rice", 500)
}

// TheRoutersOwn404Stays: a path that no route has is answered by the router, in an outage
// of the store too.
func TheRoutersOwn404Stays(s *Shop) {
	v := s.Visitor()
	v.Want("POST", "/cart/tofu", 200, "added")
	v.Refused("GET", "/nowhere", 404)
	s.Store.Fail(ErrAway)
	v.Refused("GET", "/nowhere", 404)
}
