package acceptance

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

func fixation(t *testing.T, open func(testing.TB) session.Store) {
	m := manager(t, open(t), session.Options{})
	v := sessiontest.NewVisitor(t, m)
	const chosen = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	r := v.Request(http.MethodPost, "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-session", Value: chosen})
	answer := v.Do(m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		if s.Source() != session.FromNowhere {
			t.Errorf("a token that nobody gave shows a session")
		}
		left.Set(s, "mine")
	})), r)
	if got := answer.Cookies(); len(got) != 1 || got[0].Value == chosen || len(got[0].Value) != len(chosen) {
		t.Fatalf("cookies = %v, want one with a token of ours", got)
	}
	if s := m.Load(t.Context(), r.Header); s.Err() != nil || s.Source() != session.FromNowhere {
		t.Errorf("the chosen token shows %v, %v", s, s.Err())
	}
	if got := left.Or(v.Session(), ""); got != "mine" {
		t.Errorf("under our token left = %q", got)
	}
}

func rotations(t *testing.T, open func(testing.TB) session.Store, instances, requests int) {
	store := open(t)
	var ms []*session.Manager
	for range instances {
		ms = append(ms, manager(t, store, session.Options{}))
	}
	v := sessiontest.NewVisitor(t, ms[0], func(s *session.Session) { left.Set(s, "is there") })
	before := v.Session().ID()
	together := barrier(requests)
	own := func(i int) session.Key[int] { return session.NewKey[int](fmt.Sprint("of ", i)) }
	handlers := make([]http.Handler, requests)
	for i := range handlers {
		handlers[i] = ms[i%instances].Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			together()
			s.Rotate()
			own(i).Set(s, i)
			counter.Update(s, func(n *int) error { *n++; return nil })
		}))
	}
	answers := parallel(v, handlers...)
	for i, answer := range answers {
		got := answer.Cookies()
		if answer.StatusCode != http.StatusOK || len(got) != 1 {
			t.Fatalf("request %d: status %d, cookies %v", i, answer.StatusCode, got)
		}
		if want := answers[0].Cookies()[0].Value; got[0].Value != want {
			t.Errorf("request %d was given another token than the first", i)
		}
		v.Keep(answer)
	}
	s := v.Session()
	if s.ID() == before || left.Or(s, "") != "is there" || counter.Or(s, 0) != requests {
		t.Errorf("session %v of before %s: counter %d of %d", s, before, counter.Or(s, 0), requests)
	}
	for i := range requests {
		if got, err := own(i).Get(s); got != i || err != nil {
			t.Errorf("what request %d wrote is %d, %v", i, got, err)
		}
	}
}

func rotatedToken(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	a, b := manager(t, store, session.Options{}), manager(t, store, session.Options{})
	v := sessiontest.NewVisitor(t, a, func(s *session.Session) { left.Set(s, "kept") })
	old, first := v.Request(http.MethodGet, "/", nil), v.Session().ID()
	rotate := do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Rotate() })
	for range 3 {
		v.Do(a.Handler(rotate), v.Request(http.MethodGet, "/", nil))
	}
	s := b.Load(t.Context(), old.Header)
	err := s.Err()
	if err != nil || left.Or(s, "") != "kept" || s.ID() != v.Session().ID() {
		t.Errorf("under the old token there is %v, %v, want %v", s, err, v.Session())
	}
	right.Set(s, "written under the old token")
	out := http.Header{}
	if err := b.Commit(t.Context(), s, out); err != nil || len(out["Set-Cookie"]) != 1 {
		t.Errorf("Commit under the old token: %v, %v", err, out["Set-Cookie"])
	}
	if got := right.Or(v.Session(), ""); got == "" {
		t.Error("what was written under the old token is lost")
	}
	// By its first ID alone, as an operator may have it from a log.
	if d, err := b.Revoke(t.Context(), first); d != session.Durable || err != nil {
		t.Errorf("Revoke = %v, %v", d, err)
	}
	for _, h := range []http.Header{old.Header, v.Request(http.MethodGet, "/", nil).Header} {
		if s := a.Load(t.Context(), h); s.Err() != nil || s.Source() != session.FromNowhere {
			t.Errorf("after the logout there is %v, %v", s, err)
		}
	}
}
