package session_test

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/seal"
)

// sealing counts how often a copy is sealed.
type sealing struct {
	seal.Codec
	n *int
}

func (sealing) ID() byte { return 201 }

func (s sealing) Compress(dst, src []byte) ([]byte, bool) {
	*s.n++
	return s.Codec.Compress(dst, src)
}

func TestAWriteSealsItsCopyOnce(t *testing.T) {
	n := 0
	testSite(t, session.Options{Backup: &session.Backup{Codec: sealing{seal.Flate, &n}}}, func(s *site) {
		v := s.visitor()
		sealed := func(value, when string) {
			t.Helper()
			n = 0
			s.serve(s.a, v, func(x *session.Session) { color.Set(x, value) })
			if n != 1 {
				t.Errorf("%s: sealed %d times, want once", when, n)
			}
			s.want(s.a, v, value+"/")
		}
		long := strings.Repeat("red ", 400)
		sealed("blue", "with the store")
		s.store.Fail(errRefused)
		sealed("green", "without the store")
		sealed(long, "without the store, more")
	})
}
