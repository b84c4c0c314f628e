package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// The save of the tombstone is not answered, and the look finds that another
// request has written meanwhile: the tombstone cannot stand any more.
func TestARotationWhoseTombstoneLosesToAWriteIsMadeAgain(t *testing.T) {
	testRotations(t, func(s *site) {
		v, tab := s.copied()
		old := sessionIDOf(cookieOf(v))
		s.store.Delay(time.Millisecond) // or a storm would last forever in the bubble
		var once atomic.Bool
		s.store.Before(onSave(old, func() error {
			if once.CompareAndSwap(false, true) {
				s.serve(s.b, s.copyOf(tab), func(x *session.Session) { food.Set(x, "tofu") })
				return errRefused
			}
			return nil
		}))
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

// Reload asks where the token in hand leads: what a rotation has made of the
// session opens by the store's word alone, there too.
func TestReloadGivesNoGraceWithoutTheStoresAnswer(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.rotated()
		s.store.Fail(errRefused)
		s.after(2 * time.Second)
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "tofu") }) // so that the journal has the new one
		old.Get(s.a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			x, err := session.From(r.Context())
			if !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("From: %v", err)
			}
			if err := x.Reload(r.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Reload shows %s from %v: %v", color.Or(x, "nothing"), x.Source(), err)
			}
		})), "/")
	})
}

// After an outage a process knows the new token, and the next rotation replaces that one.
func TestARotationAfterAReloadGoesOnFromTheNewToken(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.rotated()
		first := s.copyOf(v)
		s.store.Fail(errRefused)
		s.after(time.Second)
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "tofu") })
		old.Get(s.a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			x, err := session.From(r.Context())
			if !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("From: %v", err)
			}
			s.store.Heal()
			s.after(4 * time.Second)
			if err := x.Reload(r.Context()); err != nil {
				t.Errorf("Reload: %v", err)
			}
			x.Rotate()
			if err := x.Err(); err != nil {
				t.Errorf("Rotate: %v", err)
			}
		})), "/")
		s.after(time.Second)
		if cookieOf(old) == cookieOf(first) {
			t.Error("nothing was rotated")
		}
		held := s.holds(s.a, s.copyOf(old))
		if held == "-" {
			t.Error("the new token leads nowhere")
		}
		s.want(s.b, first, held)
	})
}

// A Reload that cannot follow a rotation leaves the session as it was loaded,
// with the token that opens it.
func TestAReloadThatCannotFollowARotationChangesNothing(t *testing.T) {
	testRotations(t, func(s *site) {
		v, tab := s.copied()
		old := sessionIDOf(cookieOf(tab))
		status := s.serve(s.b, tab, func(x *session.Session) {
			s.serve(s.a, v, rotate)
			middle := sessionIDOf(cookieOf(v))
			s.serve(s.a, v, rotate)
			s.store.Before(func(_ string, id session.ID) error {
				if id != old && id != middle {
					return errRefused
				}
				return nil
			})
			if err := x.Reload(t.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Reload: %v", err)
			}
			if got := color.Or(x, ""); x.ID() != old || got != "red" {
				t.Errorf("after a Reload that failed the session is %v, %s", x, got)
			}
			s.store.Before(nil)
			s.after(2 * time.Second)
			food.Set(x, "tofu")
		})
		if status != 200 || cookieOf(tab) != cookieOf(v) {
			t.Errorf("status %d", status)
		}
		s.want(s.a, v, "red/tofu")
	})
}

// Nobody gets the new token: the visitor comes again with the old one.
func TestARotationIsPutOffWhenTheClientHasHungUp(t *testing.T) {
	testRotations(t, func(s *site) {
		for _, write := range []bool{false, true} {
			v := s.visitor()
			r := v.Request(http.MethodGet, "/", nil)
			ctx, cancel := context.WithCancel(r.Context())
			s.a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				x := sessionOf(t, r)
				x.Rotate()
				if write {
					food.Set(x, "tofu")
				}
				cancel()
			})).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
			s.after(time.Minute)
			if write {
				s.want(s.b, v, "red/tofu")
			} else {
				s.want(s.b, v, "red/")
			}
		}
	})
}

// The same where http.TimeoutHandler has answered, or a proxy's deadline has
// passed that came with the request.
func TestARotationIsPutOffWhenTheRequestHasTimedOut(t *testing.T) {
	testRotations(t, func(s *site) {
		v := s.visitor()
		done := make(chan struct{})
		answer := v.Get(http.TimeoutHandler(s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			x := sessionOf(t, r)
			x.Rotate()
			food.Set(x, "tofu")
			s.after(5 * time.Second)
			w.WriteHeader(http.StatusOK)
		})), 3*time.Second, "slow"), "/")
		<-done
		if answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", answer.StatusCode)
		}
		s.after(time.Minute)
		s.want(s.b, v, "red/tofu")
	})
}

// One write by an instance whose clock is ahead takes the dots of all that follow along:
// the grace of a rotation goes by the time, and not by them.
func TestAnInstanceWhoseClockIsAheadLengthensNobodysGrace(t *testing.T) {
	testRotations(t, func(s *site) {
		o := &session.Options{}
		if s.keys != nil {
			o.Backup = &session.Backup{Audience: "shop-test", Keys: s.keys}
		}
		ahead, err := session.Without(s.store, o, 50*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer ahead.Close(s.Context())
		s.after(10 * time.Second)
		v := s.visitor()
		s.serve(ahead, v, func(x *session.Session) { color.Set(x, "blue") })
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, "green") })
		old := s.copyOf(v)
		s.serve(s.a, v, rotate)
		s.after(9 * time.Second)
		s.want(s.b, s.copyOf(old), "green/")
		s.after(time.Second)
		s.want(s.b, s.copyOf(old), "-")
		s.want(s.a, s.copyOf(old), "-")
		// And who begins anew waits for half a minute, as after any rotation.
		s.after(20 * time.Second)
		if status := s.serve(s.b, old, func(x *session.Session) { color.Set(x, "anew") }); status != 200 {
			t.Errorf("status %d", status)
		}
		s.want(s.a, v, "green/")
	})
}

// An instance that is cut off takes a login. A rotation elsewhere, which the
// login knew nothing of, is no other hand: the login stays, and ends what the
// rotation has led to, whose values it gets.
func TestALoginInAnOutageOutlivesARotationElsewhere(t *testing.T) {
	deliveredOrMet(t, func(s *site, met bool) {
		c, link := s.cutOff()
		v, other := s.copied()
		link.Fail(errRefused)
		s.after(5 * time.Second)
		s.serve(s.b, other, rotate)
		s.serve(s.b, other, func(x *session.Session) { x.Rotate(); food.Set(x, "tofu") })
		s.logIn(c, v, "bob")
		s.want(c, v, "bob/")
		if met { // by a request elsewhere, before the journal comes
			s.want(s.a, v, "bob/tofu")
			s.want(s.b, other, "-")
		}
		link.Heal()
		s.after(30 * time.Second)
		s.want(s.a, v, "bob/tofu")
		s.want(c, v, "bob/tofu")
		s.wantAtBoth(other, "-")
	})
}

// But a logout under the rotated token is: no visitor comes back.
func TestALogoutAfterARotationElsewhereEndsALoginInAnOutage(t *testing.T) {
	for _, end := range []string{"logout", "revoke"} {
		t.Run(end, func(t *testing.T) {
			deliveredOrMet(t, func(s *site, met bool) {
				c, link := s.cutOff()
				v, other := s.copied()
				link.Fail(errRefused)
				s.after(5 * time.Second)
				s.serve(s.b, other, rotate)
				s.serve(s.b, other, rotate)
				s.logIn(c, v, "bob")
				if end == "logout" {
					s.serve(s.b, other, func(x *session.Session) { x.Destroy(s.Context()) })
				} else if _, err := s.b.Revoke(s.Context(), sessionIDOf(cookieOf(other))); err != nil {
					s.Error(err)
				}
				if met {
					s.want(s.a, s.copyOf(v), "-")
				}
				link.Heal()
				s.after(30 * time.Second)
				s.want(s.a, s.copyOf(v), "-")
				s.want(c, v, "-")
			})
		})
	}
}

// The tombstone of one was not answered, and another instance rotated as well:
// both have answered with a token, and both open the session.
func TestTwoInstancesThatRotateInAnOutageBothKeepTheirWord(t *testing.T) {
	deliveredOrMet(t, func(s *site, met bool) {
		c, link := s.cutOff()
		v, other := s.copied()
		old := sessionIDOf(cookieOf(v))
		link.Before(onSave(old, func() error {
			link.Fail(errRefused)
			return errRefused
		}))
		if status := s.serve(c, v, rotate); status != 200 || cookieOf(v) == cookieOf(other) {
			s.Fatalf("status %d", status)
		}
		if status := s.serve(s.b, other, rotate); status != 200 || cookieOf(v) == cookieOf(other) {
			s.Fatalf("status %d", status)
		}
		if met {
			s.want(s.a, v, "red/")
		}
		link.Before(nil)
		link.Heal()
		s.after(30 * time.Second)
		s.want(s.a, v, "red/")
		s.want(s.a, other, "red/")
		s.want(c, v, "red/")
		s.want(c, other, "red/")
		// A login under one of them is that one's.
		s.logIn(c, v, "bob")
		s.after(10 * time.Second)
		s.want(s.a, v, "bob/")
	})
}

// A rotation whose tombstone was not answered, and then a login without the store: the
// login's own rotation is no other writer's.
func TestALoginInAnOutageAfterItsOwnRotationInDoubt(t *testing.T) {
	for _, stands := range []bool{false, true} {
		t.Run(fmt.Sprintf("stands %v", stands), func(t *testing.T) {
			deliveredOrMet(t, func(s *site, met bool) {
				c, link := s.cutOff()
				v := s.visitor()
				old := sessionIDOf(cookieOf(v))
				link.Before(onSave(old, func() error {
					if stands {
						link.LoseAcks()
						return nil
					}
					link.Fail(errRefused)
					return errRefused
				}))
				s.serve(c, v, rotate)
				link.Before(nil)
				link.Fail(errRefused)
				s.after(2 * time.Second)
				s.logIn(c, v, "bob")
				s.want(c, v, "bob/")
				if met {
					s.want(s.a, v, "bob/")
				}
				link.Heal()
				s.after(30 * time.Second)
				s.want(s.a, v, "bob/")
				s.want(c, v, "bob/")
			})
		})
	}
}

// The store fails between the two saves of a rotation, and when it is looked
// whether the second one stands. All that there was to save is saved, and the
// visitor has the token that leads to it: a page is no 503 because its
// middleware looked at the clock.
func TestAStoreThatFailsInTheMiddleOfARotationFailsNoPage(t *testing.T) {
	for _, write := range []bool{false, true} {
		for _, stands := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %v, stands %v", write, stands), func(t *testing.T) {
				testRotations(t, func(s *site) {
					v := s.visitor()
					before := cookieOf(v)
					tab := s.copyOf(v)
					var sent atomic.Bool
					s.store.Before(func(op string, id session.ID) error {
						if id != sessionIDOf(before) {
							return nil
						}
						switch {
						case op == "save" && stands:
							s.store.LoseAcks()
							sent.Store(true)
							return nil
						case op == "save", sent.Load():
							s.store.Fail(errRefused)
							return errRefused
						}
						return nil
					})
					status := s.serve(s.a, v, func(x *session.Session) {
						x.Rotate()
						if write {
							food.Set(x, "tofu")
						}
					})
					if status != 200 || cookieOf(v) == before {
						t.Errorf("status %d", status)
					}
					s.store.Before(nil)
					s.store.Heal()
					s.after(5 * time.Second)
					want := "red/"
					if write {
						want = "red/tofu"
					}
					s.wantAtBoth(v, want)
					if got := s.holds(s.b, tab); got != want && got != "red/" {
						t.Errorf("the old token shows %s", got)
					}
				})
			})
		}
	}
}
