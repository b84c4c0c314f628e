package session_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// The save of the tombstone is not answered, and the look finds that another
// request has written meanwhile: the tombstone cannot stand any more.
func TestARotationWhoseTombstoneLosesToAWriteIsMadeAgain(t *testing.T) {
	testRotations(t, func(s *site) {
		v := s.visitor()
		tab := s.copyOf(v)
		old := sessionIDOf(cookieOf(v))
		s.store.Delay(time.Millisecond) // or a storm would last forever in the bubble
		var once atomic.Bool
		s.store.Before(func(op string, id session.ID) error {
			if op == "save" && id == old && once.CompareAndSwap(false, true) {
				s.serve(s.b, s.copyOf(tab), func(x *session.Session) { food.Set(x, "tofu") })
				return errRefused
			}
			return nil
		})
		saves := s.store.Saves()
		if status := s.serve(s.a, v, rotate); status != 200 || cookieOf(v) == cookieOf(tab) {
			t.Errorf("status %d", status)
		}
		if n := s.store.Saves() - saves; n > 10 {
			t.Errorf("the rotation took %d saves", n)
		}
		s.want(s.a, v, "red/tofu")
		s.want(s.b, tab, "red/tofu")
	})
}
