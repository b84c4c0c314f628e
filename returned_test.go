package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// returns is a route whose handler writes nothing, and what middleware further
// out does with its writer and its request when it has returned, as echo does
// with the error of a handler.
func returns(m *session.Manager, inside func(*http.Request), after func(http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var insideW http.ResponseWriter
		var insideR *http.Request
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			insideW, insideR = w, r
			inside(r)
		})).ServeHTTP(w, r)
		after(insideW, insideR)
	})
}

func sessionOf(t *testing.T, r *http.Request) *session.Session {
	t.Helper()
	s, err := session.From(r.Context())
	if err != nil {
		t.Error(err)
	}
	return s
}

func TestWhatIsChangedAfterTheHandlerReturnedIsSavedAtTheFirstByte(t *testing.T) {
	nothing := func(*http.Request) {}
	set := func(t *testing.T, value string) func(*http.Request) {
		return func(r *http.Request) { color.Set(sessionOf(t, r), value) }
	}
	for name, test := range map[string]struct {
		inside, after func(*testing.T) func(*http.Request)
		stranger      bool // begins without a session
		status        int
		want          string
	}{
		"nobody asked before": {
			after: func(t *testing.T) func(*http.Request) { return set(t, "blue") }, status: 404, want: "blue",
		},
		"the handler asked": {
			inside: func(t *testing.T) func(*http.Request) { return func(r *http.Request) { sessionOf(t, r) } },
			after:  func(t *testing.T) func(*http.Request) { return set(t, "blue") }, status: 404, want: "blue",
		},
		"the handler changed it too": {
			inside: func(t *testing.T) func(*http.Request) { return set(t, "green") },
			after:  func(t *testing.T) func(*http.Request) { return set(t, "blue") }, status: 404, want: "blue",
		},
		"nothing is changed any more": {
			inside: func(t *testing.T) func(*http.Request) { return set(t, "green") }, status: 404, want: "green",
		},
		"a session begins": {
			after:    func(t *testing.T) func(*http.Request) { return set(t, "blue") },
			stranger: true, status: 404, want: "blue",
		},
		"a session begins before, and is renewed after": {
			inside: func(t *testing.T) func(*http.Request) { return set(t, "green") },
			after: func(t *testing.T) func(*http.Request) {
				return func(r *http.Request) { sessionOf(t, r).Renew() }
			},
			stranger: true, status: 404, want: "green",
		},
		"a session ends": {
			inside: func(t *testing.T) func(*http.Request) { return set(t, "green") },
			after: func(t *testing.T) func(*http.Request) {
				return func(r *http.Request) {
					if _, err := sessionOf(t, r).Destroy(r.Context()); err != nil {
						t.Error(err)
					}
				}
			},
			status: 404, want: "",
		},
		"a change that fails": {
			inside: func(t *testing.T) func(*http.Request) { return set(t, "green") },
			after: func(t *testing.T) func(*http.Request) {
				return func(r *http.Request) { badKey.Set(sessionOf(t, r), func() {}) }
			},
			stranger: true, status: 500, want: "green",
		},
	} {
		for _, backup := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", backup ", backup), func(t *testing.T) {
				o := &session.Options{ReadTimeout: 5 * time.Second, SaveTimeout: 5 * time.Second}
				if backup {
					o.Backup = testBackup(t)
				}
				m := mustNew(t, memstore.New(nil), o)
				v := sessiontest.NewVisitor(t, m)
				if !test.stranger {
					v = sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
				}
				inside, after := nothing, nothing
				if test.inside != nil {
					inside = test.inside(t)
				}
				if test.after != nil {
					after = test.after(t)
				}
				answer := v.Get(returns(m, inside, func(w http.ResponseWriter, r *http.Request) {
					after(r)
					http.Error(w, "sorry", http.StatusNotFound)
				}), "/")
				if answer.StatusCode != test.status {
					t.Errorf("status %d, want %d", answer.StatusCode, test.status)
				}
				names := map[string]int{}
				for _, c := range answer.Cookies() {
					if names[c.Name]++; names[c.Name] > 1 {
						t.Errorf("the answer sets %s more than once: %q", c.Name, answer.Header["Set-Cookie"])
					}
				}
				if got := color.Or(v.Session(), ""); got != test.want {
					t.Errorf("the session holds %q, want %q", got, test.want)
				}
			})
		}
	}
}

var badKey = session.NewKey[func()]("bad")

// over runs f behind a real server, for a visitor with a session, and returns
// what the session holds when all is quiet, and what Hooks.Dropped was told.
func overHTTP(t *testing.T, serve func(m *session.Manager) http.Handler, visit bool) (held string, dropped []error) {
	t.Helper()
	var mu sync.Mutex
	m := mustNew(t, memstore.New(nil), &session.Options{
		Cookie:      session.Cookie{Insecure: true},
		ReadTimeout: 5 * time.Second, SaveTimeout: 5 * time.Second,
		Hooks: session.Hooks{Dropped: func(_ context.Context, _ session.ID, err error) {
			mu.Lock()
			defer mu.Unlock()
			dropped = append(dropped, err)
		}},
	})
	mux := http.NewServeMux()
	mux.Handle("/", serve(m))
	mux.Handle("/set", m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		color.Set(sessionOf(t, r), "red")
	})))
	mux.Handle("/show", m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, color.Or(sessionOf(t, r), ""))
	})))
	server := httptest.NewServer(mux)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	get := func(path string) string {
		answer, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var b strings.Builder
		_, _ = fmt.Fprint(&b, answer.StatusCode)
		buf := make([]byte, 100)
		n, _ := answer.Body.Read(buf)
		return string(buf[:n])
	}
	if visit {
		get("/set")
	}
	get("/")
	for end := time.Now().Add(timeleft.Within(t, timeleft.Patience)); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		held = get("/show")
		mu.Lock()
		done := held == "blue" || len(dropped) > 0
		mu.Unlock()
		if done {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	return held, dropped
}

// Functions that run after the handler, and answer nothing.
func TestWhatIsChangedAfterTheHandlerReturnedIsSavedWhenTheRequestIsOver(t *testing.T) {
	blue := func(r *http.Request) {
		s, _ := session.From(r.Context())
		color.Set(s, "blue")
	}
	for name, serve := range map[string]func(m *session.Manager) http.Handler{
		"a handler that wrote nothing, and nobody does": func(m *session.Manager) http.Handler {
			return returns(m, func(r *http.Request) { sessionOf(t, r) }, func(_ http.ResponseWriter, r *http.Request) { blue(r) })
		},
		"a deferred function behind a body": func(m *session.Manager) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var inside *http.Request
				defer func() { blue(inside) }()
				m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					inside = r
					fmt.Fprint(w, color.Or(sessionOf(t, r), ""))
				})).ServeHTTP(w, r)
			})
		},
		"middleware that recovers": func(m *session.Manager) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var inside *http.Request
				defer func() {
					_ = recover()
					blue(inside)
				}()
				m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					inside = r
					color.Set(sessionOf(t, r), "dropped by the panic")
					panic("oops")
				})).ServeHTTP(w, r)
			})
		},
		"a handler that http.TimeoutHandler does not wait for": func(m *session.Manager) http.Handler {
			late := http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				time.Sleep(20 * time.Millisecond) // and the request is over
				color.Set(sessionOf(t, r), "blue")
			}), 10*time.Millisecond, "too slow")
			return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sessionOf(t, r) // the time for that is the store's, and not the handler's
				late.ServeHTTP(w, r)
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if held, dropped := overHTTP(t, serve, true); held != "blue" || dropped != nil {
				t.Errorf("the session holds %q, and Hooks.Dropped was told %v", held, dropped)
			}
		})
	}
}

// After the header a change that needs a cookie is lost, and a hook says so.
func TestWhatCannotBeSavedAfterTheResponseIsTold(t *testing.T) {
	for name, after := range map[string]func(r *http.Request){
		"a new session": func(r *http.Request) { color.Set(sessionOf(t, r), "blue") },
		"a renewal": func(r *http.Request) {
			s := sessionOf(t, r)
			s.Renew()
		},
		"a value that does not encode": func(r *http.Request) { badKey.Set(sessionOf(t, r), func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			held, dropped := overHTTP(t, func(m *session.Manager) http.Handler {
				return returns(m, func(r *http.Request) { sessionOf(t, r) }, func(_ http.ResponseWriter, r *http.Request) { after(r) })
			}, name == "a renewal")
			var bad *session.ValueError
			if len(dropped) != 1 || !errors.Is(dropped[0], session.ErrTooLate) && !errors.As(dropped[0], &bad) {
				t.Errorf("the session holds %q, and Hooks.Dropped was told %v, want one error", held, dropped)
			}
		})
	}
}

// A change that a hook has called lost is not tried again at the end of the request.
func TestALossAfterTheHeaderIsToldOnce(t *testing.T) {
	for name, late := range map[string]func(*session.Session){
		"a change":    func(s *session.Session) { color.Set(s, "blue") },
		"two changes": func(s *session.Session) { color.Set(s, "blue"); food.Set(s, "tofu") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := storetest.NewFaulty(memstore.New(nil))
				var dropped []error
				m := mustNew(t, store, &session.Options{Hooks: session.Hooks{
					Dropped: func(_ context.Context, _ session.ID, err error) { dropped = append(dropped, err) },
				}})
				v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
				var s *session.Session
				v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, "first byte")
					s = sessionOf(t, r)
					store.Fail(errors.New("connection refused"))
					late(s)
				})), "/")
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(dropped) != 1 || !errors.Is(dropped[0], session.ErrUnavailable) {
					t.Errorf("Hooks.Dropped was told %v, want ErrUnavailable once", dropped)
				}
				food.Set(s, "rice") // a loss of its own
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(dropped) != 2 {
					t.Errorf("after another change Hooks.Dropped was told %v", dropped)
				}
			})
		})
	}
}

// A goroutine that outlives its request may still save what it changes by
// itself, all at once.
func TestAGoroutineThatOutlivesItsRequestSavesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		m := mustNew(t, store, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
		var s *session.Session
		v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) { s = x })), "/")
		saves := m.Stats().Saves
		color.Set(s, "blue")
		food.Set(s, "tofu")
		if d, err := s.Save(t.Context()); d != session.Durable || err != nil {
			t.Errorf("Save = %v, %v", d, err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := m.Stats().Saves - saves; got != 1 {
			t.Errorf("%d saves, want 1", got)
		}
		color.Set(s, "green") // and no Save
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := color.Or(v.Session(), ""); got != "green" {
			t.Errorf("the session holds %q", got)
		}
	})
}

// gins is a writer that knows whether something was written, as those of gin,
// negroni and martini do.
type gins struct{ *httptest.ResponseRecorder }

func (w gins) Written() bool { return w.Body.Len() > 0 }

// A handler in a framework's chain whose writer is not ours writes past us: the
// header with the cookie is gone before we are asked.
func TestAnAnswerThatIsWrittenPastUsIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*session.Session)
		held    string
		dropped error
	}{
		"a change":  {func(s *session.Session) { color.Set(s, "blue") }, "blue", nil},
		"a renewal": {func(s *session.Session) { s.Renew() }, "red", session.ErrTooLate},
		"a new session": {
			func(s *session.Session) {
				s.Destroy(context.Background())
				color.Set(s, "blue")
			}, "", session.ErrTooLate,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var dropped error
			m := mustNew(t, memstore.New(nil), &session.Options{Hooks: session.Hooks{
				Dropped: func(_ context.Context, _ session.ID, err error) { dropped = errors.Join(dropped, err) },
			}})
			v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
			w := gins{httptest.NewRecorder()}
			m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				test.change(sessionOf(t, r))
				io.WriteString(w, "done")
			})).ServeHTTP(w, v.Request(http.MethodPost, "/", nil))
			if !errors.Is(dropped, test.dropped) || (dropped == nil) != (test.dropped == nil) {
				t.Errorf("Hooks.Dropped was told %v, want %v", dropped, test.dropped)
			}
			if w.Body.String() != "done" {
				t.Errorf("body %q", w.Body)
			}
			if got := color.Or(v.Session(), ""); got != test.held {
				t.Errorf("the session holds %q, want %q", got, test.held)
			}
		})
	}
}

// An answer that is put together again takes back what is ours, and nothing
// else.
func TestAnAnswerThatIsPutTogetherAgainKeepsOthersCookies(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	m := mustNew(t, memstore.New(nil), &session.Options{Backup: &session.Backup{Audience: "test", Keys: keys}})
	other := mustNew(t, memstore.New(nil), &session.Options{Cookie: session.Cookie{Name: "__Host-session-back"}})
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
	answer := v.Get(returns(m, func(r *http.Request) {
		color.Set(sessionOf(t, r), "green")
	}, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-session-banner", Value: "seen"})
		other.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := other.From(r.Context())
			color.Set(s, "other")
			x, _ := m.From(r.Context())
			color.Set(x, "blue")
			w.WriteHeader(http.StatusNotFound)
		})).ServeHTTP(w, r)
	}), "/")
	names := map[string]int{}
	for _, c := range answer.Cookies() {
		names[c.Name]++
	}
	if names["__Host-session-banner"] != 1 || names["__Host-session-back"] != 1 {
		t.Errorf("got %v, want the application's cookie and the other manager's token", names)
	}
	if got := color.Or(v.Session(), ""); got != "blue" {
		t.Errorf("the session holds %q", got)
	}
}

// Middleware that gives the request a context of its own ends it when the handler
// has returned, and before the answer is written.
func TestAContextThatEndsBeforeTheAnswerClosesNothing(t *testing.T) {
	m := mustNew(t, memstore.New(nil), nil)
	v := sessiontest.NewVisitor(t, m)
	answer := v.Get(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var inside http.ResponseWriter
		func() {
			ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
			defer cancel()
			var insideR *http.Request
			m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				inside, insideR = w, r
				sessionOf(t, r)
			})).ServeHTTP(w, r.WithContext(ctx))
			color.Set(sessionOf(t, insideR), "blue")
		}()
		time.Sleep(20 * time.Millisecond) // the error page is made
		inside.WriteHeader(http.StatusNotFound)
	}), "/")
	if answer.StatusCode != http.StatusNotFound || color.Or(v.Session(), "") != "blue" {
		t.Errorf("status %d, %v", answer.StatusCode, answer.Header)
	}
}

// A handler's goroutines may save while the answer is announced.
func TestASaveBesideTheAnswerIsNoRace(t *testing.T) {
	m := mustNew(t, memstore.New(nil), &session.Options{Backup: testBackup(t)})
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
	long := strings.Repeat("a, ", 3000) + "a" // which takes a while to look at
	for i := range 100 {
		var wg sync.WaitGroup
		v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", long)
			s := sessionOf(t, r)
			for k := range 2 {
				wg.Go(func() {
					for j := range 10 {
						color.Set(s, fmt.Sprint(i, j, k))
						_, _ = s.Save(context.Background())
					}
				})
			}
			time.Sleep(time.Duration(i%10) * 20 * time.Microsecond)
		})), "/")
		wg.Wait()
	}
}

// Nothing stays behind of a request that asks for its session when the handler
// has returned, and answers nothing.
func TestARequestThatAsksAfterTheHandlerLeavesNothingBehind(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		for range 20 {
			s.visitor().Get(returns(s.a, func(*http.Request) {}, func(_ http.ResponseWriter, r *http.Request) {
				_ = color.Or(sessionOf(s.T, r), "")
			}), "/")
		}
		for range 20 {
			s.after(time.Minute)
			s.visitor()
		}
		if got := s.a.VisitsUnderWay(); got > 2 {
			t.Errorf("%d visits are still under way", got)
		}
	})
}

// Where middleware answers the error of a commit, the change is neither reported to a hook
// nor saved afterwards.
func TestAWriteThatFailedAfterTheHandlerAndWasAnsweredIsNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m, dropped := drops(t, store)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
		for name, change := range map[string]func(*session.Session){
			"a value that does not encode": func(s *session.Session) { badKey.Set(s, func() {}) },
			"a store that fails":           func(s *session.Session) { store.Fail(errors.New("refused")); color.Set(s, "blue") },
		} {
			answer := v.Get(returns(m, func(r *http.Request) { sessionOf(t, r) }, func(w http.ResponseWriter, r *http.Request) {
				change(sessionOf(t, r))
				w.WriteHeader(http.StatusOK)
			}), "/")
			store.Heal()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := color.Or(v.Session(), ""); answer.StatusCode < 500 || got != "red" || len(*dropped) != 0 {
				t.Errorf("%s: got %d, %q and %v dropped, want an error, red and none", name, answer.StatusCode, got, *dropped)
			}
		}
	})
}

// drops returns a Manager, and what its Hooks.Dropped has been told.
func drops(t *testing.T, store session.Store) (*session.Manager, *[]error) {
	dropped := new([]error)
	return mustNew(t, store, &session.Options{Hooks: session.Hooks{
		Dropped: func(_ context.Context, _ session.ID, err error) { *dropped = append(*dropped, err) },
	}}), dropped
}

func TestWhatIsChangedAfterCommitIsSavedOrTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, dropped := drops(t, memstore.New(nil))
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
		s := m.Load(context.Background(), v.Request(http.MethodGet, "/", nil).Header)
		if err := m.Commit(t.Context(), s, http.Header{}); err != nil {
			t.Fatal(err)
		}
		color.Set(s, "blue")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := color.Or(v.Session(), ""); got != "blue" || len(*dropped) != 0 {
			t.Errorf("the session holds %q, and Hooks.Dropped was told %v, want blue and nothing", got, *dropped)
		}
		badKey.Set(s, func() {})
		time.Sleep(time.Minute)
		synctest.Wait()
		if bad := (*session.ValueError)(nil); len(*dropped) != 1 || !errors.As((*dropped)[0], &bad) {
			t.Errorf("Hooks.Dropped was told %v, want the value's error once", *dropped)
		}
	})
}

func TestErrTellsOfAWriteAfterTheHeaderUntilItIsRepeated(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
	v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		save := func() error { _, err := s.Save(r.Context()); return err }
		w.WriteHeader(http.StatusOK)
		badKey.Set(s, func() {})
		var bad *session.ValueError
		if err := save(); !errors.As(err, &bad) {
			t.Errorf("Save: got %v, want the value's error", err)
		}
		color.Set(s, "blue")
		if err := save(); err != nil || !errors.As(s.Err(), &bad) {
			t.Errorf("another key: Save got %v, and Err %v, want nil and the value's error", err, s.Err())
		}
		badKey.Delete(s)
		if err := s.Err(); err != nil {
			t.Errorf("deleted: got %v, want nil", err)
		}
		s.Renew()
		if err := save(); !errors.Is(err, session.ErrTooLate) || !errors.Is(s.Err(), session.ErrTooLate) {
			t.Errorf("Renew: Save got %v, and Err %v, want ErrTooLate", err, s.Err())
		}
		if err := color.Update(s, func(c *string) error { *c = "green"; return nil }); err != nil || s.Err() != nil {
			t.Errorf("a write: got %v, and Err %v, want nil", err, s.Err())
		}
	})), "/")
	if got := color.Or(v.Session(), ""); got != "green" {
		t.Errorf("the session holds %q, want green", got)
	}
}
