package session_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

// A request with the token of before a rotation takes its time, and answers after the
// visitor has logged in: it must not send the token that the login has ended.
func TestASlowAnswerDoesNotUndoALoginAfterARotation(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		old := v.Request("GET", "/", nil)
		s.serve(s.a, v, rotate)
		done := make(chan *http.Response)
		go func() { // for instance an image that the page of before has asked for
			w := httptest.NewRecorder()
			s.a.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) {
				_ = x.ID()
				time.Sleep(2 * time.Second)
			})).ServeHTTP(w, old)
			done <- w.Result()
		}()
		s.after(time.Second)
		s.logIn(s.a, v, "blue")
		v.Keep(<-done)
		if got := s.holds(s.a, v); got != "blue/" {
			t.Errorf("the visitor who has logged in holds %s", got)
		}
		s.after(time.Minute)
		if got := s.holds(s.a, v); got != "blue/" {
			t.Errorf("a minute later: %s", got)
		}
	})
}

// Likewise with a second rotation instead of the login, and a pause.
func TestASlowAnswerDoesNotBringAnEarlierTokenBack(t *testing.T) {
	for _, fails := range []bool{false, true} {
		testSite(t, session.Options{}, func(s *site) {
			v := s.visitor()
			old := v.Request("GET", "/", nil)
			s.serve(s.a, v, rotate)
			done := make(chan *http.Response)
			go func() {
				w := httptest.NewRecorder()
				s.a.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, x *session.Session) {
					_ = x.ID()
					time.Sleep(5 * time.Second)
					if fails {
						session.Error(w, r, session.ErrUnavailable)
					}
				})).ServeHTTP(w, old)
				done <- w.Result()
			}()
			s.after(time.Second)
			s.serve(s.a, v, rotate)
			s.serve(s.a, v, func(x *session.Session) { food.Set(x, "rice") })
			v.Keep(<-done)
			s.after(time.Minute)
			if got := s.holds(s.a, v); got != "red/rice" {
				t.Errorf("fails %v: the visitor holds %s", fails, got)
			}
		})
	}
}

// Two requests of one process rotate the same token. The first has rotated it; the store stops
// answering for the old session and so cannot tell the second, which must not make another
// successor.
func TestARotationThatThisProcessKnowsIsNotMadeTwice(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		old := v.Request("GET", "/", nil)
		oldID := id(t, s, v)
		w := httptest.NewRecorder()
		s.a.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) {
			_ = x.ID()
			s.serve(s.a, v, rotate) // another tab, the same process
			next := id(t, s, v)
			s.store.Before(func(op string, i session.ID) error {
				if op == "save" && i != next && len(i) == 32 && i != oldID {
					t.Error("it has made another session, although the process knows the one that the rotation led to")
				}
				if i == oldID {
					return errRefused
				}
				return nil
			})
			food.Set(x, "rice")
			x.Rotate()
		})).ServeHTTP(w, old)
		s.store.Before(nil)
		if w.Code != 200 {
			return // refused, and nothing is lost
		}
		// The browser gets this answer before that of the other tab, or not at all.
		s.after(20 * time.Second)
		if got := s.holds(s.a, v); got != "red/rice" {
			t.Errorf("200 for food = rice; the visitor holds %s (sent %s, the first rotation %s)", got, cookieNames(w.Result().Cookies()), cookieNames(v.Request("GET", "/", nil).Cookies()))
		}
	})
}

// Likewise where the process learns of the other rotation while it makes its own.
func TestARotationThatThisProcessLearnsOfMeanwhileIsFollowed(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, link := s.cutOff()
		v, other := s.copied()
		third := s.copyOf(v)
		oldID := id(t, s, v)
		status := s.serve(c, v, func(x *session.Session) {
			_ = x.ID()
			link.Before(onSave(oldID, func() error {
				link.Before(nil)
				s.serve(s.b, other, rotate)
				s.want(c, third, "red/") // which learns what became of the token
				link.Before(func(_ string, i session.ID) error {
					if i == oldID {
						return errRefused
					}
					return nil
				})
				return errRefused
			}))
			food.Set(x, "rice")
			x.Rotate()
		})
		link.Before(nil)
		if status != http.StatusOK {
			t.Errorf("answered %d, want 200", status)
		}
		s.want(s.b, other, "red/rice")
		s.want(c, v, "red/rice")
	})
}

// A Save finds that another request has rotated the token. What the request does afterwards it
// does under the token that it has followed to.
func TestARequestThatHasFollowedARotationGoesOnUnderItsToken(t *testing.T) {
	for name, then := range map[string]func(*site, *sessiontest.Visitor, *session.Session){
		"and rotates": func(_ *site, _ *sessiontest.Visitor, x *session.Session) { x.Rotate() },
		"and reloads after the next": func(s *site, other *sessiontest.Visitor, x *session.Session) {
			s.serve(s.b, other, rotate)
			if err := x.Reload(s.Context()); err != nil {
				s.Errorf("Reload: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			testRotations(t, func(s *site) {
				v := s.visitor()
				other := s.copyOf(v)
				s.serve(s.a, v, func(x *session.Session) {
					_ = x.ID()
					s.serve(s.a, other, rotate)
					color.Set(x, "blue")
					if _, err := x.Save(s.Context()); err != nil {
						s.Errorf("Save: %v", err)
					}
					then(s, other, x)
				})
				s.want(s.a, v, "blue/")
				s.want(s.a, other, "blue/")
			})
		})
	}
}

// The log of another instance tells that the session was rotated, but not to which token: that
// stands in the session's record.
func TestARotationThatALogTellsOfIsFollowed(t *testing.T) {
	for name, does := range map[string]func(*session.Session){
		"by one that saves":   func(x *session.Session) { food.Set(x, "rice") },
		"by one that rotates": func(x *session.Session) { food.Set(x, "rice"); x.Rotate() },
	} {
		t.Run(name, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v, other := s.copied()
				third := s.copyOf(v)
				status := s.serve(s.a, v, func(x *session.Session) {
					_ = x.ID()
					s.serve(s.b, other, rotate)
					s.after(5 * time.Second)
					does(x)
				})
				if status != http.StatusOK {
					t.Errorf("answered %d, want 200", status)
				}
				s.want(s.a, v, "red/rice")
				s.want(s.b, other, "red/rice")
				s.want(s.a, third, "red/rice")
			})
		})
	}
}

func cookieNames(cookies []*http.Cookie) (out string) {
	for _, c := range cookies {
		if c.Name == "__Host-session" {
			if len(c.Value) < 6 {
				return "cleared"
			}
			id := sha256.Sum256([]byte(c.Value))
			return fmt.Sprintf("%x", id[:3])
		}
	}
	return "-"
}
