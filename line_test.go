package session_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// verbs are what a thief does with a stolen token.
var verbs = map[rune]func(*session.Session){'R': (*session.Session).Renew, 'T': rotate}

// lines are what is made of a session while its visitor logs out: by R a Renew, by T a
// rotation.
var lines = []string{"T", "R", "TT", "RR", "TR", "RT", "TRT", "RTR"}

// A logout has loaded a session, which lives. Before it ends it, a thief with the same
// cookies makes others of it. All of them end.
func TestALogoutEndsAllThatIsMadeOfASessionThatItHeldForLive(t *testing.T) {
	for _, line := range lines {
		testSite(t, session.Options{}, func(s *site) {
			v, thief := s.copied()
			s.serve(s.a, v, func(x *session.Session) {
				_ = x.ID()
				for _, verb := range line {
					s.serve(s.b, thief, verbs[verb])
				}
				s.want(s.b, thief, "red/")
				s.ends(session.Durable)(x)
			})
			s.want(s.a, thief, "-")
			s.after(10 * time.Second)
			s.wantAtBoth(thief, "-")
			if s.Failed() {
				s.Logf("after %s", line)
			}
		})
	}
}

// The same without a backup: the store's tombstone names what was made of the session.
func TestWithoutABackupALogoutEndsTheLineToo(t *testing.T) {
	for _, line := range lines {
		synctest.Test(t, func(t *testing.T) {
			s := &site{T: t, store: storetest.NewFaulty(memstore.New(nil))}
			s.a = mustNew(t, s.store, &session.Options{})
			s.b = mustNew(t, s.store, &session.Options{})
			v := s.visitor()
			thief := s.copyOf(v)
			s.serve(s.a, v, func(x *session.Session) {
				_ = x.ID()
				for _, verb := range line {
					s.serve(s.b, thief, verbs[verb])
				}
				s.ends(session.Durable)(x)
			})
			if s.wantAtBoth(thief, "-"); s.Failed() {
				s.Logf("after %s", line)
			}
		})
	}
}

// A logout is durable. The store loses it, and before the other instance has heard of it a
// thief makes others of the session there. What was made ends when that instance hears.
func TestWhatIsMadeOfASessionBeforeItsLogoutIsHeardOfEnds(t *testing.T) {
	for _, line := range lines {
		testSite(t, session.Options{}, func(s *site) {
			v, thief := s.copied()
			name := id(t, s, v)
			lived, err := s.store.Load(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			s.serve(s.a, v, s.ends(session.Durable))
			if _, err := s.store.Save(t.Context(), name, lived, session.Any); err != nil {
				t.Fatal(err)
			}
			for _, verb := range line {
				s.serve(s.b, thief, verbs[verb])
			}
			s.after(10 * time.Second)
			if s.wantAtBoth(thief, "-"); s.Failed() {
				s.Logf("after %s", line)
			}
		})
	}
}

// A token that a rotation had replaced when it was shown ends the line up to the next
// login, and a token that a login had replaced ends nothing.
func TestATokenThatWasReplacedEndsNoLogin(t *testing.T) {
	for line, want := range map[string]string{"T": "-", "TT": "-", "R": "red/", "TR": "red/", "RT": "red/", "TTR": "red/"} {
		testSite(t, session.Options{}, func(s *site) {
			v, old := s.copied()
			for _, verb := range line {
				s.serve(s.b, v, verbs[verb])
			}
			s.after(time.Minute)
			old.Get(s.a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if x, err := session.From(r.Context()); err == nil {
					_, _ = x.Destroy(r.Context())
				}
			})), "/")
			s.after(10 * time.Second)
			if s.wantAtBoth(v, want); s.Failed() {
				s.Logf("after %s", line)
			}
		})
	}
}

// A login or a rotation has read its session when the store fails for a moment. Meanwhile
// another request of the session is answered 200, and what it wrote waits in the journal.
// The new session has it.
func TestANewIDKeepsWhatTheJournalHolds(t *testing.T) {
	for _, verb := range verbs {
		testSite(t, session.Options{Hooks: session.Hooks{Dropped: func(_ context.Context, _ session.ID, err error) {
			t.Errorf("dropped: %v", err)
		}}}, func(s *site) {
			v, tab := s.copied()
			s.serve(s.a, v, func(x *session.Session) {
				_ = x.ID()
				s.store.Fail(errRefused)
				if status := s.serve(s.a, tab, func(x *session.Session) { food.Set(x, "rice") }); status != http.StatusOK {
					t.Fatalf("the other tab: status %d", status)
				}
				s.store.Heal()
				verb(x)
			})
			s.want(s.a, v, "red/rice")
			s.after(time.Minute)
			s.wantAtBoth(v, "red/rice")
		})
	}
}
