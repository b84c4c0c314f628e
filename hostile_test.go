package session_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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

// hostile is a site whose store is well, and a thief with a copy of the jar of
// a visitor who has logged out. The instance that the thief asks has not seen
// the logout: only the store can tell it.
type hostile struct {
	*testing.T
	store *storetest.Faulty
	keys  *seal.Keys
	b     *session.Manager
	jar   string // the thief's Cookie line
	shown []string
	mu    sync.Mutex
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{T: t, store: storetest.NewFaulty(memstore.New(nil))}
	h.keys = mustKeys(t, seal.NewKey())
	a := h.instance()
	v := sessiontest.NewVisitor(t, a, func(s *session.Session) { user.Set(s, "alice") })
	h.jar = v.Request(http.MethodGet, "/", nil).Header.Get("Cookie")
	v.Get(a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if d, err := s.Destroy(r.Context()); d != session.Durable || err != nil {
			t.Fatalf("Destroy = %v, %v", d, err)
		}
	})), "/")
	return h
}

func (h *hostile) instance() *session.Manager {
	return mustNew(h.T, h.store, &session.Options{
		Backup:      &session.Backup{Audience: "test", Keys: h.keys},
		ReadTimeout: 5 * time.Second, SaveTimeout: 5 * time.Second,
	})
}

// look is a handler that tries all that could show the session or write it.
func (h *hostile) look(ready func(*http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ready(r)
		s, err := session.From(r.Context())
		if name, readErr := user.Get(s); readErr == nil {
			h.mu.Lock()
			h.shown = append(h.shown, fmt.Sprintf("From = %v, and the session of %s from the %v", err, name, s.Source()))
			h.mu.Unlock()
		}
		_ = s.Reload(r.Context())
		_ = count.Update(s, func(n *int) error { *n++; return nil })
		fmt.Fprint(w, user.Or(s, "nobody"))
	})
}

// routes yields the kinds of routes that there are, each on an instance of its
// own.
func (h *hostile) routes(next http.Handler) iter.Seq2[string, http.Handler] {
	return func(yield func(string, http.Handler) bool) {
		for route, wrap := range map[string]func(m *session.Manager) http.Handler{
			"Handler":              func(m *session.Manager) http.Handler { return m.Handler(next) },
			"ReadOnly":             func(m *session.Manager) http.Handler { return m.ReadOnly(next) },
			"Require":              func(m *session.Manager) http.Handler { return m.Require(next) },
			"RequireStore":         func(m *session.Manager) http.Handler { return m.RequireStore(next) },
			"Require and ReadOnly": func(m *session.Manager) http.Handler { return m.Require(m.ReadOnly(next)) },
			"RequireStore within":  func(m *session.Manager) http.Handler { return m.Handler(m.RequireStore(next)) },
		} {
			h.b = h.instance()
			if !yield(route, wrap(h.b)) {
				return
			}
		}
	}
}

func (h *hostile) judge(kind string) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, shown := range h.shown {
		h.Errorf("%s: %s", kind, shown)
	}
	h.shown = nil
	if st := h.b.Stats(); st.Degraded != 0 {
		h.Errorf("%s: %d loads were answered from the copy, and the store is well", kind, st.Degraded)
	}
}

// Whether a request was canceled says nothing about the store.
func TestHostileClientsAreNotServedFromTheirCopy(t *testing.T) {
	h := newHostile(t)
	contexts := map[string]func() (context.Context, context.CancelFunc){
		"canceled": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		},
		"past its deadline": func() (context.Context, context.CancelFunc) {
			return context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
		},
		"past a deadline that it does not tell of": func() (context.Context, context.CancelFunc) {
			return limited{context.Background(), time.Now().Add(-time.Second)}, func() {}
		},
	}
	for kind, begin := range contexts {
		for route, handler := range h.routes(h.look(func(*http.Request) {})) {
			ctx, cancel := begin()
			r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx)
			r.Header.Set("Cookie", h.jar)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			cancel()
			if w.Code == http.StatusOK || strings.Contains(w.Body.String(), "alice") {
				t.Errorf("%s, %s: %d %q", kind, route, w.Code, w.Body)
			}
			h.judge(kind + ", " + route)
		}
	}
}

// A request whose time ends while its load is under way: the store answers in
// its own time, and the request has less.
func TestHostileDeadlinesThatEndDuringTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHostile(t)
		h.store.Delay(20 * time.Millisecond)
		for kind, begin := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"a deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 10*time.Millisecond)
			},
			"canceled": func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(10*time.Millisecond, cancel)
				return ctx, cancel
			},
		} {
			for route, handler := range h.routes(h.look(func(*http.Request) {})) {
				var wg sync.WaitGroup
				for range 3 { // those that wait for the same load, too
					wg.Go(func() {
						ctx, cancel := begin(t.Context())
						defer cancel()
						r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx)
						r.Header.Set("Cookie", h.jar)
						handler.ServeHTTP(httptest.NewRecorder(), r)
					})
				}
				wg.Wait()
				h.judge(kind + ", " + route)
			}
		}
		h.store.Heal()
	})
}

// Over a real connection: a client that closes its half, or hangs up, while its
// request waits for the rest of a slow body.
func TestHostileConnectionsAreNotServedFromTheirCopy(t *testing.T) {
	h := newHostile(t)
	gone := func(r *http.Request) {
		_, _ = io.ReadAll(r.Body) // fails where the rest does not come
		select {
		case <-r.Context().Done():
		case <-time.After(timeleft.Patience): // net/http did not notice
			h.Error("the request was not canceled")
		}
	}
	for kind, request := range map[string]string{
		"half-closed":               "GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: " + h.jar + "\r\n\r\n",
		"half-closed, a short body": "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\nCookie: " + h.jar + "\r\n\r\nabc",
	} {
		for route, handler := range h.routes(h.look(gone)) {
			for range 5 {
				server := httptest.NewServer(handler)
				c, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, request); err != nil {
					t.Fatal(err)
				}
				if err := c.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					body, _ := io.ReadAll(answer.Body)
					if strings.Contains(string(body), "alice") {
						t.Errorf("%s, %s: %d %q", kind, route, answer.StatusCode, body)
					}
				}
				c.Close()
				server.Close()
				h.judge(kind + ", " + route)
			}
		}
	}
}

// A slow body under a deadline that middleware sets.
func TestHostileSlowBodies(t *testing.T) {
	h := newHostile(t)
	for route, handler := range h.routes(h.look(func(r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	})) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
			defer cancel()
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			handler.ServeHTTP(w, r.WithContext(ctx))
		}))
		body, _ := io.Pipe() // nothing ever comes
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		r.Header.Set("Cookie", h.jar)
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if strings.Contains(string(text), "alice") {
				t.Errorf("%s: %d %q", route, answer.StatusCode, text)
			}
		}
		server.CloseClientConnections()
		server.Close()
		h.judge(route)
	}
}

// Writes that wait for others of their session do so on a store that answers:
// what cannot be saved in time is refused, and not kept as if the store were
// away, on top of what others have replaced.
func TestAWriteThatWaitsForOthersDoesNotDegrade(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.store.Before(func(op string, _ session.ID) error {
			if op == "save" {
				time.Sleep(90 * time.Millisecond)
			}
			return nil
		})
		var wg sync.WaitGroup
		var mu sync.Mutex
		acknowledged := 0
		for range 8 {
			r := v.Request(http.MethodGet, "/", nil)
			wg.Go(func() {
				w := httptest.NewRecorder()
				s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					x, err := session.From(r.Context())
					if err != nil {
						session.Error(w, r, err)
						return
					}
					count.Update(x, func(n *int) error { *n++; return nil })
					if d, err := x.Save(r.Context()); err == nil && d != session.Durable {
						t.Errorf("Save = %v on a store that is well", d)
					}
				})).ServeHTTP(w, r)
				mu.Lock()
				defer mu.Unlock()
				switch w.Code {
				case http.StatusOK:
					acknowledged++
				case http.StatusServiceUnavailable:
				default:
					t.Errorf("status %d", w.Code)
				}
			})
		}
		wg.Wait()
		s.store.Before(nil)
		s.after(10 * time.Second)
		s.serve(s.b, v, func(x *session.Session) {
			if got := count.Or(x, 0); got != acknowledged {
				t.Errorf("%d updates were answered with 200, and %d are in the store", acknowledged, got)
			}
		})
		if st := s.a.Stats(); acknowledged == 0 || st.Degraded != 0 || st.Journal.States != 0 {
			t.Errorf("%d of 8 acknowledged, %+v", acknowledged, st)
		}
	})
}

// A record that this program cannot read is an answer of the store: it may be
// the tombstone of a newer program.
func TestARecordThatCannotBeReadIsNotAnOutage(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		id := v.Session().ID()
		newer := session.Record{Data: []byte{99, 1, 2, 3}, Expires: time.Now().Add(time.Hour)}
		if _, err := s.store.Save(t.Context(), id, newer, session.Any); err != nil {
			t.Fatal(err)
		}
		s.wantAtBoth(v, "503")
	})
}

// This process stood still while the store answered: its timers say nothing
// about the store.
func TestAPauseOfThisProcessIsNotTheStoresSilence(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		id := v.Session().ID()
		var paused atomic.Bool
		s.store.Before(func(op string, of session.ID) error {
			if op == "load" && of == id && !paused.Swap(true) {
				time.Sleep(time.Second) // and the load's time is over when it goes on
				return context.DeadlineExceeded
			}
			return nil
		})
		s.serve(s.a, v, func(x *session.Session) {
			if x.Source() != session.FromStore || color.Or(x, "") != "red" {
				t.Errorf("after a pause: %q from the %v", color.Or(x, ""), x.Source())
			}
		})
		if st := s.a.Stats(); st.Failures != 0 || st.Degraded != 0 {
			t.Errorf("a pause counts as the store's failure: %+v", st)
		}
		// A store that does not answer is still one.
		s.store.Before(func(op string, _ session.ID) error {
			if op == "load" {
				time.Sleep(time.Second)
				return context.DeadlineExceeded
			}
			return nil
		})
		s.serve(s.a, v, func(x *session.Session) {
			if x.Source() != session.FromBackup {
				t.Errorf("the store is silent: from the %v", x.Source())
			}
		})
		s.store.Before(func(string, session.ID) error { return errors.New("refused") })
		s.want(s.a, v, "red/")
	})
}
