package session_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// rotate is what middleware does with an ageing token.
func rotate(s *session.Session) { s.Rotate() }

// cookieOf is the cookie that v sends.
func cookieOf(v *sessiontest.Visitor) string {
	c, err := v.Request(http.MethodGet, "/", nil).Cookie("__Host-session")
	if err != nil {
		return ""
	}
	return c.Value
}

// idOf is the ID that docs say a token has.
func sessionIDOf(token string) session.ID {
	b, _ := base64.RawURLEncoding.DecodeString(token)
	sum := sha256.Sum256(b)
	return session.ID(hex.EncodeToString(sum[:16]))
}

// tokenIn is the token that an answer hands out.
func tokenIn(answer *http.Response) string {
	for _, c := range answer.Cookies() {
		if c.Name == "__Host-session" && c.MaxAge >= 0 {
			return c.Value
		}
	}
	return ""
}

// testRotations runs test with and without a backup, in a bubble.
func testRotations(t *testing.T, test func(*site)) {
	testRotationsWithin(t, 3*time.Hour, test)
}

func testRotationsWithin(t *testing.T, lifetime time.Duration, test func(*site)) {
	o := session.Options{Lifetime: lifetime}
	t.Run("with a backup", func(t *testing.T) { testSite(t, o, test) })
	t.Run("without a backup", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{T: t, store: storetest.NewFaulty(memstore.New(nil))}
			s.a, s.b = mustNew(t, s.store, &o), mustNew(t, s.store, &o)
			test(s)
		})
	})
}

func TestParallelRequestsThatRotateAllAnswerWithOneToken(t *testing.T) {
	for _, backup := range []bool{false, true} {
		for _, instances := range []int{1, 3} {
			for _, requests := range []int{10, 50} {
				t.Run(fmt.Sprintf("%d on %d, backup %v", requests, instances, backup), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := session.Options{SaveTimeout: 10 * time.Second, ReadTimeout: time.Second}
						if backup {
							o.Backup = testBackup(t)
						}
						memory := memstore.New(nil)
						store := storetest.NewFaulty(memory)
						ms := make([]*session.Manager, instances)
						for i := range ms {
							ms[i] = mustNew(t, store, &o)
						}
						time.Sleep(10 * time.Second)
						v := sessiontest.NewVisitor(t, ms[0], func(s *session.Session) { user.Set(s, "bob"); count.Set(s, 0) })
						store.Delay(3 * time.Millisecond)
						before, records := cookieOf(v), memory.Len()
						answers := make([]*http.Response, requests)
						var loaded, done sync.WaitGroup
						loaded.Add(requests)
						for i := range requests {
							r := v.Request(http.MethodPost, "/", nil)
							done.Go(func() {
								w := httptest.NewRecorder()
								ms[i%instances].Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
									loaded.Done()
									loaded.Wait() // all have the same token
									s.Rotate()
									session.NewKey[int](fmt.Sprint("of ", i)).Set(s, i)
									count.Update(s, increment)
								})).ServeHTTP(w, r)
								answers[i] = w.Result()
							})
						}
						done.Wait()
						store.Delay(0)
						for i, answer := range answers {
							if answer.StatusCode != http.StatusOK {
								t.Errorf("request %d was answered %d", i, answer.StatusCode)
							}
							if got, want := tokenIn(answer), tokenIn(answers[0]); got != want || got == "" || got == before {
								t.Errorf("request %d was given token %q, the first one %q", i, got, want)
							}
							v.Keep(answer)
						}
						s := v.Session()
						for i := range requests {
							if got, err := session.NewKey[int](fmt.Sprint("of ", i)).Get(s); got != i || err != nil {
								t.Errorf("what request %d wrote is %d, %v", i, got, err)
							}
						}
						if got := count.Or(s, 0); got != requests || user.Or(s, "") != "bob" {
							t.Errorf("count is %d of %d", got, requests)
						}
						// One new session; no visitor has the token of one that another
						// instance made in vain.
						if made := sessionsIn(t, memory) - records; made > instances {
							t.Errorf("%d records were made by %d instances", made, instances)
						}
					})
				})
			}
		}
	}
}

func TestAnOldTokenLeadsToTheSessionForTenSeconds(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.rotated()
		if cookieOf(v) == cookieOf(old) {
			t.Fatal("nothing was rotated")
		}
		s.after(9 * time.Second)
		for _, m := range []*session.Manager{s.a, s.b} {
			tab := s.copyOf(old)
			s.want(m, tab, "red/")
			if cookieOf(tab) != cookieOf(v) {
				t.Error("the answer under the old token does not carry the new one")
			}
			s.want(m, tab, "red/") // under the new one
		}
		writer := s.copyOf(old)
		if status := s.serve(s.b, writer, func(x *session.Session) { food.Set(x, "tofu") }); status != 200 || cookieOf(writer) != cookieOf(v) {
			t.Errorf("a write under the old token: %d", status)
		}
		s.want(s.a, v, "red/tofu")
		s.after(time.Second)
		for _, m := range []*session.Manager{s.a, s.b} {
			tab := s.copyOf(old)
			s.want(m, tab, "-")
			// A login may be on its way in another answer.
			if status := s.serve(m, tab, func(x *session.Session) { color.Set(x, "anew") }); status != 503 || cookieOf(tab) != cookieOf(old) {
				t.Errorf("a write after the grace: %d", status)
			}
		}
		s.after(30 * time.Second)
		s.serve(s.b, old, func(x *session.Session) { color.Set(x, "anew") })
		s.want(s.a, old, "anew/")
		s.want(s.a, v, "red/tofu")
	})
}

func TestRotationsInARowAreFollowed(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.copied()
		for range 5 {
			s.serve(s.a, v, rotate)
			s.after(time.Second)
		}
		s.want(s.b, s.copyOf(old), "red/")
		if s.serve(s.b, old, func(x *session.Session) { food.Set(x, "rice") }) != 200 || cookieOf(old) != cookieOf(v) {
			t.Error("the first token does not lead to the last")
		}
		s.want(s.a, v, "red/rice")
	})
}

// Across a Renew it would be session fixation: an attacker who planted the token
// before the login would be let in after it.
func TestTheGraceOfARotationNeverLeadsAcrossARenew(t *testing.T) {
	testRotations(t, func(s *site) {
		v, planted := s.copied()
		s.serve(s.a, v, rotate)
		rotated := s.copyOf(v)
		s.logIn(s.b, v, "secret")
		for _, m := range []*session.Manager{s.a, s.b} {
			s.want(m, s.copyOf(planted), "-")
			s.want(m, s.copyOf(rotated), "-")
			if status := s.serve(m, s.copyOf(planted), func(x *session.Session) { food.Set(x, "poison") }); status != 503 {
				t.Errorf("a write under the token of before: %d", status)
			}
			s.serve(m, s.copyOf(planted), func(x *session.Session) { x.Destroy(t.Context()) })
		}
		s.want(s.a, v, "secret/")
	})
}

// Both in one request: the login counts.
func TestRenewOutranksRotate(t *testing.T) {
	testRotations(t, func(s *site) {
		v, planted := s.copied()
		s.serve(s.a, v, func(x *session.Session) { x.Renew(); x.Rotate(); color.Set(x, "secret") })
		s.want(s.b, planted, "-")
		s.want(s.b, v, "secret/")
	})
}

func TestALoginThatOverlapsARotationGoesOnFromIt(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.copied()
		tab := s.copyOf(v)
		if status := s.serve(s.b, v, func(x *session.Session) {
			x.Renew()
			color.Set(x, "secret")
			s.serve(s.a, tab, func(x *session.Session) { x.Rotate(); food.Set(x, "rice") })
		}); status != 200 {
			t.Errorf("the login was answered %d", status)
		}
		s.want(s.a, v, "secret/rice")
		s.want(s.a, tab, "-")
		s.want(s.a, old, "-")
	})
}

func TestALogoutWithARotatedTokenEndsTheSession(t *testing.T) {
	for name, end := range map[string]func(s *site, old *sessiontest.Visitor){
		"by Destroy": func(s *site, old *sessiontest.Visitor) {
			s.serve(s.b, old, s.ends(session.Durable))
		},
		"by Revoke": func(s *site, old *sessiontest.Visitor) {
			if d, err := s.b.Revoke(s.Context(), sessionIDOf(cookieOf(old))); d != session.Durable || err != nil {
				s.Errorf("Revoke: %v, %v", d, err)
			}
		},
		"by StartNew": func(s *site, old *sessiontest.Visitor) {
			old.Get(s.b.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				x, _ := session.StartNew(r.Context())
				color.Set(x, "new")
			})), "/")
			s.want(s.a, old, "new/")
		},
	} {
		for _, late := range []time.Duration{time.Second, time.Minute} {
			t.Run(fmt.Sprint(name, " after ", late), func(t *testing.T) {
				testRotations(t, func(s *site) {
					v, old := s.copied()
					var all []*sessiontest.Visitor
					for range 3 {
						s.serve(s.a, v, rotate)
						all = append(all, s.copyOf(v))
						s.after(late)
					}
					end(s, old)
					for _, m := range []*session.Manager{s.a, s.b} {
						for _, v := range append(all, v) {
							s.want(m, s.copyOf(v), "-")
						}
					}
				})
			})
		}
	}
}

// The logout has read the session, and then another request rotates it.
func TestALogoutThatOverlapsARotationEndsTheNewToken(t *testing.T) {
	testRotations(t, func(s *site) {
		v, tab := s.copied()
		s.serve(s.b, v, func(x *session.Session) {
			s.serve(s.a, tab, rotate)
			if d, err := x.Destroy(t.Context()); d != session.Durable || err != nil {
				t.Errorf("Destroy: %v, %v", d, err)
			}
		})
		if cookieOf(tab) == "" {
			t.Fatal("nothing was rotated")
		}
		s.wantAtBoth(tab, "-")
	})
}

func TestARotationThatOverlapsALogoutRevivesNobody(t *testing.T) {
	testRotations(t, func(s *site) {
		v, tab := s.copied()
		status := s.serve(s.b, tab, func(x *session.Session) {
			s.serve(s.a, v, func(x *session.Session) { x.Destroy(t.Context()) })
			x.Rotate()
		})
		if status != 503 || cookieOf(tab) != "" && s.holds(s.a, tab) != "-" {
			t.Errorf("the rotation after the logout: %d", status)
		}
	})
}

// Its visitor was answered 200; that the token was exchanged meanwhile is no
// reason to lose what they did.
func TestAWriteThatOverlapsARotationIsKeptForTenSeconds(t *testing.T) {
	for wait, want := range map[time.Duration]int{9 * time.Second: 200, 11 * time.Second: 503} {
		t.Run(wait.String(), func(t *testing.T) {
			testRotations(t, func(s *site) {
				v, tab := s.copied()
				status := s.serve(s.b, tab, func(x *session.Session) {
					s.serve(s.a, v, func(x *session.Session) { x.Rotate(); color.Set(x, "blue") })
					s.after(wait)
					food.Update(x, func(f *string) error { *f += "tofu"; return nil })
				})
				if status != want {
					t.Fatalf("status %d, want %d", status, want)
				}
				if want == 200 {
					s.want(s.a, v, "blue/tofu")
					s.want(s.a, tab, "blue/tofu")
				} else {
					s.want(s.a, v, "blue/")
				}
			})
		})
	}
}

func TestReloadFollowsARotation(t *testing.T) {
	testRotations(t, func(s *site) {
		v, tab := s.copied()
		s.serve(s.b, tab, func(x *session.Session) {
			food.Set(x, "rice")
			s.serve(s.a, v, func(x *session.Session) { x.Rotate(); color.Set(x, "blue") })
			if err := x.Reload(t.Context()); err != nil || color.Or(x, "") != "blue" {
				t.Errorf("Reload: %v, color %s", err, color.Or(x, ""))
			}
		})
		s.want(s.a, tab, "blue/rice")
		if cookieOf(tab) != cookieOf(v) {
			t.Error("the answer does not carry the new token")
		}
	})
}

func TestRotateGainsNoRightsAndNoTime(t *testing.T) {
	testRotationsWithin(t, 30*time.Minute, func(s *site) {
		v := s.visitor()
		began := time.Now()
		var id session.ID
		s.serve(s.a, v, func(x *session.Session) {
			if id = x.ID(); !x.Issued().Equal(x.Renewed()) {
				t.Errorf("issued at %v, renewed at %v", x.Issued(), x.Renewed())
			}
		})
		for range 3 {
			s.after(200 * time.Second)
			s.serve(s.a, v, rotate)
			s.serve(s.b, v, func(x *session.Session) {
				if !x.Renewed().Equal(began.Truncate(time.Millisecond)) || !x.Created().Equal(x.Renewed()) {
					t.Errorf("created %v, renewed %v, began %v", x.Created(), x.Renewed(), began)
				}
				if age := time.Since(x.Issued()); age > time.Second || x.ID() == id {
					t.Errorf("the token of %v is %v old", x, age)
				}
				id = x.ID()
			})
		}
		for time.Since(began) < 30*time.Minute-200*time.Second {
			s.after(150 * time.Second)
			s.serve(s.a, v, rotate)
		}
		s.want(s.b, v, "red/")
		s.after(200 * time.Second)
		s.want(s.b, v, "-")
		s.serve(s.a, v, func(x *session.Session) {
			if !x.Issued().IsZero() {
				t.Errorf("nobody's token was issued at %v", x.Issued())
			}
		})
	})
}

func TestRotateWhereItCannot(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, bob)
	before := cookieOf(v)
	for name, h := range map[string]struct {
		http.Handler
		status int
	}{
		"on a read-only route": {m.ReadOnly(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			s.Rotate()
			if err := s.Err(); !errors.Is(err, session.ErrReadOnly) {
				t.Errorf("Rotate on a read-only route = %v", err)
			}
		})), 500},
		"after the header": {m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			w.WriteHeader(http.StatusNoContent)
			s.Rotate()
			if err := s.Err(); !errors.Is(err, session.ErrTooLate) {
				t.Errorf("Rotate after the header = %v", err)
			}
		})), 204},
	} {
		t.Run(name, func(t *testing.T) {
			if answer := v.Get(h, "/"); answer.StatusCode != h.status || tokenIn(answer) != "" || cookieOf(v) != before {
				t.Errorf("status %d, want %d; token %q", answer.StatusCode, h.status, tokenIn(answer))
			}
		})
	}
	t.Run("without a session", func(t *testing.T) {
		nobody := sessiontest.NewVisitor(t, m)
		answer := nobody.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			s.Rotate()
			if err := s.Err(); err != nil {
				t.Errorf("Rotate without a session = %v", err)
			}
		})), "/")
		if answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 0 {
			t.Errorf("status %d, cookies %v", answer.StatusCode, answer.Cookies())
		}
	})
	t.Run("on a route that requires a session", func(t *testing.T) {
		answer := v.Get(m.Require(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Rotate() })), "/")
		if answer.StatusCode != http.StatusOK || cookieOf(v) == before || user.Or(v.Session(), "") != "bob" {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
}

func TestAReadOnlyRouteServesAnOldTokenAndSetsNoCookie(t *testing.T) {
	testRotations(t, func(s *site) {
		_, old := s.rotated()
		got := ""
		answer := old.Get(s.b.ReadOnly(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) { got = color.Or(x, "") })), "/")
		if got != "red" || answer.Header["Set-Cookie"] != nil {
			t.Errorf("color %q, cookies %v", got, answer.Header["Set-Cookie"])
		}
	})
}

func TestRotateWithTheTokenInAHeader(t *testing.T) {
	m := sessiontest.New(t, &session.Options{Header: "X-Session"})
	v := sessiontest.NewVisitor(t, m, bob)
	r := v.Request(http.MethodPost, "/", nil)
	before := r.Header.Get("X-Session")
	answer := v.Do(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Rotate() })), r)
	after := answer.Header.Get("X-Session")
	if after == "" || after == before {
		t.Fatalf("the token was %q and is %q", before, after)
	}
	r = httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Session", before)
	w := httptest.NewRecorder()
	m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		if user.Or(s, "") != "bob" {
			t.Error("the old token shows nothing")
		}
	})).ServeHTTP(w, r)
	if got := w.Header().Get("X-Session"); got != after {
		t.Errorf("the answer to the old token carries %q, want %q", got, after)
	}
}

// Nothing is urgent about a rotation: without the store it waits.
func TestARotationWaitsForTheStore(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		before := cookieOf(v)
		s.store.Fail(errRefused)
		if status := s.serve(s.a, v, func(x *session.Session) { x.Rotate(); food.Set(x, "tofu") }); status != 200 || cookieOf(v) != before {
			t.Errorf("a rotation without the store: %d", status)
		}
		if status := s.serve(s.a, v, rotate); status != 200 || cookieOf(v) != before {
			t.Errorf("a rotation without the store and without a change: %d", status)
		}
		s.want(s.b, v, "red/tofu")
		s.heal()
		if status := s.serve(s.a, v, rotate); status != 200 || cookieOf(v) == before {
			t.Errorf("a rotation after the outage: %d", status)
		}
		s.want(s.b, v, "red/tofu")
	})
	t.Run("without a backup", func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := mustNew(t, store, nil)
		v := sessiontest.NewVisitor(t, m, bob)
		before := cookieOf(v)
		answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			store.Fail(errRefused)
			s.Rotate()
		})), "/")
		if answer.StatusCode != http.StatusOK || cookieOf(v) != before {
			t.Errorf("status %d", answer.StatusCode)
		}
		// A page that does not need the session answers.
		answer = v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			s.Rotate()
			if err := s.Err(); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Rotate of a session that nobody knows = %v", err)
			}
		})), "/")
		if answer.StatusCode != http.StatusOK || cookieOf(v) != before {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
}

// In an outage only a sealed copy could say that the session lives, and the
// request under the old token has none of the new one.
func TestThereIsNoGraceWithoutTheStoresAnswer(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.rotated()
		s.store.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "rice") }) // so that the journal has the new one
		s.want(s.a, s.copyOf(old), "503")
		s.store.Heal()
		s.after(5 * time.Second)
		if got := s.holds(s.a, old); got != "red/" && got != "red/rice" {
			t.Errorf("after the outage the old token shows %s", got)
		}
	})
}

// It was sealed by an instance that is still cut off: no other instance has the write.
func TestACopyOfBeforeARotationBringsWhatTheStoreLacks(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, link := s.cutOff()
		v, tab := s.copied()
		link.Fail(errRefused)
		s.serve(c, tab, func(x *session.Session) { food.Set(x, "tofu") })
		s.serve(s.a, v, func(x *session.Session) { x.Rotate(); color.Set(x, "blue") })
		s.want(s.b, tab, "blue/tofu")
		s.want(s.a, v, "blue/tofu")
	})
}

// The commit finds a rotation, and cannot read what it led to.
func TestASaveThatCannotFollowARotationIsMadeAgain(t *testing.T) {
	testRotations(t, func(s *site) {
		v, tab := s.copied()
		old := sessionIDOf(cookieOf(tab))
		if status := s.serve(s.b, tab, func(x *session.Session) {
			s.serve(s.a, v, func(x *session.Session) { x.Rotate(); color.Set(x, "blue") })
			s.store.Before(func(_ string, id session.ID) error {
				if id != old {
					return errRefused
				}
				return nil
			})
			food.Update(x, func(f *string) error { *f += "tofu"; return nil })
			if _, err := x.Save(t.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Save = %v", err)
			}
			if got := color.Or(x, ""); x.ID() != old || got != "red" {
				t.Errorf("after a save that failed the session is %v, %s", x, got)
			}
			s.store.Before(nil)
		}); status != 200 {
			t.Errorf("status %d", status)
		}
		s.want(s.a, v, "blue/tofu")
		s.want(s.b, tab, "blue/tofu")
	})
}

// The tombstone was sent and not answered. Whether it stands or not, the visitor
// goes on, with the new token and, where it was kept, with the old one.
func TestARotationWithoutAnAnswer(t *testing.T) {
	for _, test := range []struct {
		name string
		lost func(s *site, old session.ID) func(op string, id session.ID) error
	}{
		{"that stands", func(s *site, old session.ID) func(string, session.ID) error {
			return onSave(old, func() error { s.store.LoseAcks(); return nil })
		}},
		{"that does not stand", func(_ *site, old session.ID) func(string, session.ID) error {
			return onSave(old, refused)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			testRotations(t, func(s *site) {
				v, old := s.copied()
				s.store.Before(test.lost(s, sessionIDOf(cookieOf(v))))
				s.serve(s.a, v, func(x *session.Session) { x.Rotate(); food.Set(x, "tofu") })
				s.store.Before(nil)
				s.store.Heal()
				s.want(s.a, v, "red/tofu")
				s.after(5 * time.Second)
				s.want(s.a, v, "red/tofu")
				if got := s.holds(s.b, old); got != "red/tofu" && got != "red/" {
					t.Errorf("the old token shows %s", got)
				}
			})
		})
	}
}

// The store has taken the tombstone, and only its answer was lost: one look says
// so, and the visitor notices nothing.
func TestARotationWhoseAnswerWasLostIsLookedUp(t *testing.T) {
	testRotations(t, func(s *site) {
		v := s.visitor()
		old := sessionIDOf(cookieOf(v))
		s.store.Before(func(op string, id session.ID) error {
			switch {
			case op == "save" && id == old:
				s.store.LoseAcks()
			case op == "load":
				s.store.Heal()
			}
			return nil
		})
		before := cookieOf(v)
		if status := s.serve(s.a, v, rotate); status != 200 || cookieOf(v) == before {
			t.Errorf("status %d", status)
		}
		s.store.Before(nil)
		s.store.Heal()
		s.want(s.b, v, "red/")
	})
}

// An instance that is cut off does not know of the rotation, and takes a write
// under the old token: it is delivered to the session that lives on.
func TestAWriteUnderAnOldTokenInAnOutageIsTheSuccessors(t *testing.T) {
	deliveredOrMet(t, func(s *site, met bool) {
		c, link := s.cutOff()
		v := s.visitor()
		tab, early := s.copyOf(v), s.copyOf(v)
		link.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { x.Rotate(); color.Set(x, "blue") })
		if status := s.serve(c, tab, func(x *session.Session) { food.Set(x, "tofu") }); status != 200 {
			s.Fatalf("a write without the store: %d", status)
		}
		if met { // by a request that finds the tombstone, before the journal does
			link.Before(func(op string, _ session.ID) error {
				if op == "save" {
					return errRefused
				}
				return nil
			})
			link.Heal()
			s.after(3 * time.Second)
			s.want(c, early, "blue/tofu") // which meets the tombstone first
			link.Before(nil)
		}
		link.Heal()
		s.after(10 * time.Second)
		s.want(s.a, v, "blue/tofu")
		s.after(time.Minute)
		thief := s.copyOf(tab)
		link.Fail(errRefused)
		s.after(time.Second)
		s.serve(c, thief, func(x *session.Session) { food.Set(x, "poison") })
		link.Heal()
		s.after(10 * time.Second)
		s.want(s.a, v, "blue/tofu")
	})
}

// The same of a logout: whatever it reaches first, the successor ends.
func TestALogoutUnderAnOldTokenInAnOutageEndsTheSuccessor(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, link := s.cutOff()
		v, tab := s.copied()
		link.Fail(errRefused)
		s.serve(s.a, v, rotate)
		s.serve(s.a, v, rotate)
		s.serve(c, tab, s.ends(session.Pending))
		s.want(s.a, v, "red/")
		link.Heal()
		s.after(10 * time.Second)
		s.wantAtBoth(v, "-")
		s.want(c, v, "-")
	})
}

// A thief who has copied the cookies before the rotation is let in for the grace,
// and after it by no instance that reaches the store.
func TestAStolenTokenIsOfNoUseAfterTheRotation(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.rotated()
		s.after(11 * time.Second)
		s.wantAtBoth(s.copyOf(thief), "-")
		s.store.Replace(memstore.New(nil)) // it has forgotten the tombstone
		s.after(10 * time.Second)
		s.wantAtBoth(s.copyOf(thief), "-")
		s.want(s.a, v, "red/")
	})
}

// An answer that is replaced by an error still carries the token that another
// request's rotation has made.
func TestAnErrorAfterTheHandlerKeepsTheRotatedToken(t *testing.T) {
	testRotations(t, func(s *site) {
		v, old := s.rotated()
		old.Get(returns(s.a, func(r *http.Request) { sessionOf(s.T, r) }, func(w http.ResponseWriter, r *http.Request) {
			badKey.Set(sessionOf(s.T, r), func() {})
			w.WriteHeader(http.StatusNotFound)
		}), "/")
		if cookieOf(old) != cookieOf(v) {
			s.Error("the error's answer does not carry the token")
		}
	})
}
