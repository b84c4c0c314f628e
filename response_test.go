package session_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var (
	user  = session.NewKey[string]("user")
	count = session.NewKey[int]("count")
)

// ask is a route that asks for its session and has no error.
func ask(t testing.TB, f func(w http.ResponseWriter, r *http.Request, s *session.Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			t.Errorf("From: %v", err)
		}
		f(w, r, s)
	})
}

func TestEveryWayToAnswerSavesFirst(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter) error
		body   string
	}{
		{"return", func(http.ResponseWriter) error { return nil }, ""},
		{"WriteHeader", func(w http.ResponseWriter) error { w.WriteHeader(http.StatusOK); return nil }, ""},
		{"Write", func(w http.ResponseWriter) error { _, err := w.Write([]byte("hi")); return err }, "hi"},
		{"WriteString", func(w http.ResponseWriter) error { _, err := io.WriteString(w, "hi"); return err }, "hi"},
		{"ReadFrom", func(w http.ResponseWriter) error {
			_, err := io.Copy(w, onlyReader{strings.NewReader("hi")})
			return err
		}, "hi"},
		{"Flush", func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil }, ""},
		{"ResponseController.Flush", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }, ""},
		{"early hints, then Write", func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusEarlyHints)
			_, err := w.Write([]byte("hi"))
			return err
		}, "hi"},
		{"WriteHeader twice", func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusOK)
			w.WriteHeader(http.StatusTeapot)
			return nil
		}, ""},
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(test.name+" over "+protocol, func(t *testing.T) {
				m := sessiontest.New(t, nil)
				v := sessiontest.NewVisitor(t, m)
				srv := httptest.NewUnstartedServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
					user.Set(s, "bob")
					if err := test.answer(w); err != nil {
						t.Errorf("the handler got %v", err)
					}
				})))
				srv.EnableHTTP2 = protocol == "HTTP/2.0"
				srv.Config.ErrorLog = discardLog
				srv.StartTLS()
				defer srv.Close()
				answer, err := srv.Client().Get(srv.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				body, err := io.ReadAll(answer.Body)
				if err != nil || string(body) != test.body || answer.StatusCode != http.StatusOK || answer.Proto != protocol {
					t.Errorf("answer %s %d %q, %v", answer.Proto, answer.StatusCode, body, err)
				}
				if n := len(answer.Cookies()); n != 1 {
					t.Fatalf("%d cookies, want 1", n)
				}
				v.Keep(answer)
				if got := user.Or(v.Session(), ""); got != "bob" {
					t.Errorf("saved user = %q", got)
				}
			})
		}
	}
}

type onlyReader struct{ io.Reader }

// The visitor follows a redirect as soon as the header is there.
func TestARedirectFindsWhatWasSetBeforeIt(t *testing.T) {
	m := sessiontest.New(t, nil)
	mux := http.NewServeMux()
	mux.Handle("POST /login", ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		user.Set(s, "bob")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}))
	mux.Handle("GET /", ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		fmt.Fprint(w, user.Or(s, "nobody"))
	}))
	srv := httptest.NewTLSServer(m.Handler(mux))
	defer srv.Close()
	client := srv.Client()
	client.Jar = newJar(t)
	answer, err := client.Post(srv.URL+"/login", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "bob" {
		t.Errorf("after the redirect the page says %q, want bob", body)
	}
}

func TestInformationalResponsesDoNotSave(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	var before int
	srv := httptest.NewTLSServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		before = store.Saves()
		user.Set(s, "bob") // after the hints: it still counts
		io.WriteString(w, "hi")
	})))
	defer srv.Close()
	var hints []int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints = append(hints, code); return nil },
	})
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	answer, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if before != 0 || len(answer.Cookies()) != 1 || len(hints) != 1 || hints[0] != http.StatusEarlyHints {
		t.Errorf("saves before the header %d, cookies %d, informational %v", before, len(answer.Cookies()), hints)
	}
}

// A handler whose session cannot be saved must not be seen to succeed.
func TestAFailedSaveReplacesTheWholeResponse(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter) error{
		"return":      func(http.ResponseWriter) error { return session.ErrUnavailable },
		"WriteHeader": func(w http.ResponseWriter) error { w.WriteHeader(http.StatusCreated); return session.ErrUnavailable },
		"Write":       func(w http.ResponseWriter) error { _, err := w.Write([]byte("put-ok")); return err },
		"WriteString": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "put-ok"); return err },
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, onlyReader{strings.NewReader("put-ok")})
			return err
		},
		"Flush":  func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"Hijack": func(w http.ResponseWriter) error { _, _, err := http.NewResponseController(w).Hijack(); return err },
	}
	for name, write := range answers {
		t.Run(name, func(t *testing.T) {
			store := storetest.NewFaulty(memstore.New(nil))
			m := mustNew(t, store, nil)
			inner := m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
				user.Set(s, "bob")
				h := w.Header()
				h.Set("Content-Type", "application/json")
				h.Set("Content-Length", "6")
				h.Set("Content-Encoding", "gzip")
				h.Set("Etag", `"1"`)
				h.Set("Location", "/thanks")
				h.Set("X-Outer", "changed")
				http.SetCookie(w, &http.Cookie{Name: "promo", Value: "1"})
				for range 2 { // a handler that ignores errors goes on
					if err := write(w); !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("the handler got %v, want ErrUnavailable", err)
					}
				}
			}))
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Outer", "kept")
				inner.ServeHTTP(w, r)
			}))
			defer srv.Close()
			store.Fail(errors.New("the store's own words"))
			answer, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
				t.Errorf("answer %d with Retry-After %q, %v", answer.StatusCode, answer.Header.Get("Retry-After"), err)
			}
			if strings.Contains(string(body), "put-ok") {
				t.Errorf("the handler's body was sent: %q", body)
			}
			if strings.Contains(string(body), "own words") {
				t.Errorf("the visitor reads why the store failed: %q", body)
			}
			if got := answer.Header.Get("X-Outer"); got != "kept" {
				t.Errorf("the outer middleware's header is %q", got)
			}
			for _, field := range []string{"Set-Cookie", "Content-Encoding", "Etag", "Location"} {
				if got := answer.Header.Get(field); got != "" {
					t.Errorf("%s of the handler was sent: %s", field, got)
				}
			}
		})
	}
}

// An Options.Error that forgets to answer must not turn into a 200.
func TestAnErrorThatIsNotAnsweredIsA500(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, &session.Options{Error: func(http.ResponseWriter, *http.Request, error) {}})
	store.Fail(errors.New("away"))
	v := sessiontest.NewVisitor(t, m)
	answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "bob") })), "/")
	if answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", answer.StatusCode)
	}
}

// The handler's own way of sending files, streams and websockets stays.
func TestTheWriterKeepsWhatTheServersCanDo(t *testing.T) {
	t.Run("sendfile", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		inner := &readerFromRecorder{ResponseRecorder: httptest.NewRecorder()}
		m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, _ *session.Session) {
			f, err := os.Open("go.mod")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			io.Copy(w, f)
		})).ServeHTTP(inner, httptest.NewRequest(http.MethodGet, "/", nil))
		if !inner.used {
			t.Error("the server's ReadFrom was not used")
		}
	})
	t.Run("hijacking", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m)
		srv := httptest.NewTLSServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			user.Set(s, "bob")
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return
			}
			defer conn.Close()
			fmt.Fprint(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n")
			w.Header().Write(rw) // what a websocket library is given
			fmt.Fprint(rw, "\r\nraw")
			rw.Flush()
		})))
		defer srv.Close()
		answer, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if body, _ := io.ReadAll(answer.Body); string(body) != "raw" {
			t.Errorf("body %q", body)
		}
		v.Keep(answer)
		if got := user.Or(v.Session(), ""); got != "bob" {
			t.Errorf("saved user = %q", got)
		}
	})
	t.Run("hijacking, with a head of its own", func(t *testing.T) {
		for name, write := range map[string]func(net.Conn, *bufio.ReadWriter, string) error{
			"to the connection": func(c net.Conn, _ *bufio.ReadWriter, head string) error {
				_, err := io.WriteString(c, head)
				return err
			},
			"to the buffer": func(_ net.Conn, rw *bufio.ReadWriter, head string) error {
				_, err := rw.WriteString(head)
				return errors.Join(err, rw.Flush())
			},
		} {
			m := sessiontest.New(t, nil)
			v := sessiontest.NewVisitor(t, m)
			srv := httptest.NewTLSServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
				user.Set(s, "bob")
				conn, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Errorf("Hijack: %v", err)
					return
				}
				defer conn.Close()
				if err := write(conn, rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nraw"); err != nil {
					t.Error(err)
				}
			})))
			answer, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(answer.Body); string(body) != "raw" {
				t.Errorf("%s: body %q", name, body)
			}
			answer.Body.Close()
			srv.Close()
			v.Keep(answer)
			if got := user.Or(v.Session(), ""); got != "bob" || len(answer.Cookies()) != 1 {
				t.Errorf("%s: user %q, %d cookies", name, got, len(answer.Cookies()))
			}
		}
	})
	t.Run("hijacking without a head", func(t *testing.T) {
		told := make(chan error, 1)
		m := sessiontest.New(t, &session.Options{Hooks: session.Hooks{
			Dropped: func(_ context.Context, _ session.ID, err error) { told <- err },
		}})
		srv := httptest.NewServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			user.Set(s, "bob")
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_, _ = io.WriteString(conn, "raw")
				conn.Close()
			}
		})))
		defer srv.Close()
		if answer, err := http.Get(srv.URL); err == nil {
			answer.Body.Close()
		}
		if err := <-told; !errors.Is(err, session.ErrTooLate) {
			t.Errorf("Hooks.Dropped got %v", err)
		}
	})
	t.Run("switching protocols", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		srv := httptest.NewServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			user.Set(s, "bob")
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return
			}
			defer conn.Close()
			io.WriteString(rw, "raw")
			rw.Flush()
		})))
		defer srv.Close()
		wantUpgrade(t, srv)
	})
	t.Run("deadlines", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		srv := httptest.NewServer(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, _ *session.Session) {
			rc := http.NewResponseController(w)
			if err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{}), rc.EnableFullDuplex()); err != nil {
				t.Error(err)
			}
		})))
		defer srv.Close()
		answer, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	})
	t.Run("a client that leaves", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		ctx, leave := context.WithCancel(t.Context())
		m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, _ *session.Session) {
			gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify() // as gin does, without asking
			select {
			case <-gone:
				t.Error("gone before it left")
			default:
			}
			leave()
			<-gone
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	})
	t.Run("no push, no flush, no hijack where the server has none", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		type plain struct{ http.ResponseWriter }
		m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, _ *session.Session) {
			rc := http.NewResponseController(w)
			_, _, hijack := rc.Hijack()
			for name, err := range map[string]error{
				"push": w.(http.Pusher).Push("/x", nil), "flush": rc.Flush(), "hijack": hijack,
			} {
				if !errors.Is(err, http.ErrNotSupported) {
					t.Errorf("%s: %v, want ErrNotSupported", name, err)
				}
			}
		})).ServeHTTP(plain{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
	})
	t.Run("push commits first", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		w := &pusher{ResponseRecorder: httptest.NewRecorder()}
		m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			user.Set(s, "bob")
			if err := w.(http.Pusher).Push("/style.css", nil); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.pushed != "/style.css" || w.cookie == "" {
			t.Errorf("pushed %q with cookie %q", w.pushed, w.cookie)
		}
	})
}

type readerFromRecorder struct {
	*httptest.ResponseRecorder
	used bool
}

func (r *readerFromRecorder) ReadFrom(src io.Reader) (int64, error) {
	r.used = true
	return io.Copy(r.ResponseRecorder, src)
}

type pusher struct {
	*httptest.ResponseRecorder
	pushed, cookie string
}

func (p *pusher) Push(target string, _ *http.PushOptions) error {
	p.pushed, p.cookie = target, p.Header().Get("Set-Cookie")
	return nil
}

func TestAPanicDropsWhatIsNotSaved(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	h := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		user.Set(s, "half done")
		panic("boom")
	}))
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want the handler's own panic", got)
			}
		}()
		v.Get(h, "/")
	}()
	if got := user.Or(v.Session(), ""); got != "bob" {
		t.Errorf("user = %q, want what it was before", got)
	}
}

func TestAVisitorWhoLeavesLosesNoWrite(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	ctx, leave := context.WithCancel(t.Context())
	v.Do(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		user.Set(s, "alice")
		leave()
	})), v.Request(http.MethodPost, "/", nil).WithContext(ctx))
	if got := user.Or(v.Session(), ""); got != "alice" {
		t.Errorf("user = %q: the write of a visitor who left was lost", got)
	}
}

func TestWhatIsSetAfterTheHeader(t *testing.T) {
	t.Run("is saved when the handler returns", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		v.Get(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			io.WriteString(w, "first byte")
			count.Set(s, 7)
		})), "/")
		if got := count.Or(v.Session(), 0); got != 7 {
			t.Errorf("count = %d", got)
		}
	})
	t.Run("is saved by Save in between, and writes back nothing else", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			io.WriteString(w, "a stream begins")
			other := v.Session()
			user.Set(other, "renamed meanwhile")
			if _, err := other.Save(r.Context()); err != nil {
				t.Error(err)
			}
			count.Set(s, 7)
			if d, err := s.Save(r.Context()); d != session.Durable || err != nil {
				t.Errorf("Save = %v, %v", d, err)
			}
			if got := user.Or(s, ""); got != "renamed meanwhile" {
				t.Errorf("after Save the stream sees user %q", got)
			}
		})), "/")
		if s := v.Session(); user.Or(s, "") != "renamed meanwhile" || count.Or(s, 0) != 7 {
			t.Errorf("user = %q, count = %d", user.Or(s, ""), count.Or(s, 0))
		}
	})
	t.Run("cannot begin a session, and says so", func(t *testing.T) {
		var dropped error
		store := storetest.NewFaulty(memstore.New(nil))
		m := mustNew(t, store, &session.Options{Hooks: session.Hooks{
			Dropped: func(_ context.Context, _ session.ID, err error) { dropped = err },
		}})
		v := sessiontest.NewVisitor(t, m)
		answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			io.WriteString(w, "first byte")
			user.Set(s, "bob")
			if err := s.Err(); !errors.Is(err, session.ErrTooLate) {
				t.Errorf("Set = %v, want ErrTooLate", err)
			}
			s.Renew()
			if err := s.Err(); !errors.Is(err, session.ErrTooLate) {
				t.Errorf("Renew = %v, want ErrTooLate", err)
			}
			if _, err := session.StartNew(r.Context()); !errors.Is(err, session.ErrTooLate) {
				t.Errorf("StartNew = %v, want ErrTooLate", err)
			}
		})), "/")
		if !errors.Is(dropped, session.ErrTooLate) || store.Saves() != 0 || answer.Header["Set-Cookie"] != nil {
			t.Errorf("hook got %v, %d saves, cookie %v: want no orphan in the store", dropped, store.Saves(), answer.Header["Set-Cookie"])
		}
	})
}

// Handlers that real programs put between the Manager and their own.
func TestTheStandardLibrarysHandlersWorkUnderASession(t *testing.T) {
	m := sessiontest.New(t, nil)
	begin := func(r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			t.Error(err)
		}
		user.Set(s, "bob")
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, "from behind")
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nraw")
		rw.Flush()
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	content := strings.NewReader(strings.Repeat("0123456789", 1000))
	handlers := map[string]http.HandlerFunc{
		"ServeContent with Range": func(w http.ResponseWriter, r *http.Request) {
			begin(r)
			http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), io.NewSectionReader(content, 0, content.Size()))
		},
		"204": func(w http.ResponseWriter, r *http.Request) { begin(r); w.WriteHeader(http.StatusNoContent) },
		"304": func(w http.ResponseWriter, r *http.Request) { begin(r); w.WriteHeader(http.StatusNotModified) },
		"TimeoutHandler": http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begin(r)
			io.WriteString(w, "in time")
		}), time.Minute, "").ServeHTTP,
		"MaxBytesHandler": http.MaxBytesHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			begin(r)
			io.Copy(io.Discard, r.Body)
		}), 10).ServeHTTP,
		"ReverseProxy": func(w http.ResponseWriter, r *http.Request) { begin(r); proxy.ServeHTTP(w, r) },
		"an echo":      func(w http.ResponseWriter, r *http.Request) { begin(r); io.Copy(w, r.Body) },
		"a trailer": func(w http.ResponseWriter, r *http.Request) {
			begin(r)
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "x")
			w.Header().Set("X-Sum", "1")
		},
	}
	for _, http2 := range []bool{false, true} {
		for name, handler := range handlers {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				srv := httptest.NewUnstartedServer(m.Handler(handler))
				srv.EnableHTTP2 = http2
				srv.StartTLS()
				defer srv.Close()
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
					r, err := http.NewRequestWithContext(t.Context(), method, srv.URL, strings.NewReader("more than ten bytes"))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Range", "bytes=10-19")
					r.Header.Set("Expect", "100-continue")
					answer, err := srv.Client().Do(r)
					if err != nil {
						t.Fatalf("%s: %v", method, err)
					}
					body, err := io.ReadAll(answer.Body)
					answer.Body.Close()
					if err != nil || answer.StatusCode >= 400 || len(answer.Cookies()) != 1 {
						t.Errorf("%s: %d %.40q, %v, cookies %v", method, answer.StatusCode, body, err, answer.Cookies())
					}
				}
			})
		}
	}
	t.Run("ReverseProxy with an upgrade", func(t *testing.T) {
		srv := httptest.NewServer(m.Handler(handlers["ReverseProxy"]))
		defer srv.Close()
		wantUpgrade(t, srv)
	})
}

func TestUploadsLeaveNoFilesBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	m := sessiontest.New(t, nil)
	done := make(chan bool)
	inner := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(10); err != nil {
			t.Error(err)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "multipart-*")); len(files) == 0 {
			t.Error("the upload made no file: this test shows nothing")
		}
	}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		inner.ServeHTTP(w, r)
	}))
	body := "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" +
		strings.Repeat("x", 11<<20) + "\r\n--x--\r\n"
	answer, err := http.Post(srv.URL, "multipart/form-data; boundary=x", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	<-done
	srv.Close()
	if files, _ := filepath.Glob(filepath.Join(dir, "multipart-*")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestCachesAreTold(t *testing.T) {
	for _, test := range []struct {
		name         string
		handler      func(w http.ResponseWriter, r *http.Request)
		vary, cached string
	}{
		{"a route that does not ask says nothing", func(http.ResponseWriter, *http.Request) {}, "", ""},
		{"a reader varies with the cookie", func(_ http.ResponseWriter, r *http.Request) { session.From(r.Context()) }, "Cookie", ""},
		{"a new session is not cached", func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			user.Set(s, "bob")
		}, "Cookie", `private, no-cache="Set-Cookie"`},
		{"what the handler chose stays", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Vary", "Accept, cookie")
			s, _ := session.From(r.Context())
			user.Set(s, "bob")
		}, "Accept, cookie", "no-store"},
		{"what the handler made public is private", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "Public, max-age=60, s-maxage=600")
			s, _ := session.From(r.Context())
			user.Set(s, "bob")
		}, "Cookie", `max-age=60, private, no-cache="Set-Cookie"`},
		{"what the handler gave an age is private", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			s, _ := session.From(r.Context())
			user.Set(s, "bob")
		}, "Cookie", `max-age=60, private, no-cache="Set-Cookie"`},
		{"what is private already stays", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "private, max-age=60")
			s, _ := session.From(r.Context())
			user.Set(s, "bob")
		}, "Cookie", "private, max-age=60"},
		{"an answer that sets no cookie stays public", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			session.From(r.Context())
		}, "Cookie", "public, max-age=60"},
		{"other fields of Vary stay", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept")
			session.From(r.Context())
		}, "Accept, Cookie", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := sessiontest.New(t, nil)
			answer := sessiontest.NewVisitor(t, m).Get(m.Handler(http.HandlerFunc(test.handler)), "/")
			if got := strings.Join(answer.Header["Vary"], ", "); got != test.vary {
				t.Errorf("Vary = %q, want %q", got, test.vary)
			}
			if got := answer.Header.Get("Cache-Control"); got != test.cached {
				t.Errorf("Cache-Control = %q, want %q", got, test.cached)
			}
		})
	}
}

func TestAHandlersRequestIsTheServers(t *testing.T) {
	m := sessiontest.New(t, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /item/{sku}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %v", r.PathValue("sku"), r.Pattern, body, r.Context().Value(http.ServerContextKey) != nil)
	})
	srv := httptest.NewServer(m.Handler(mux))
	defer srv.Close()
	answer, err := http.Post(srv.URL+"/item/7", "text/plain", bytes.NewReader([]byte("body")))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "7 POST /item/{sku} body true" {
		t.Errorf("the handler saw %q", body)
	}
}

// wantUpgrade asks srv for another protocol, and wants the session's cookie with
// the switch, whatever hints come before, and "raw" behind it.
func wantUpgrade(t *testing.T, srv *httptest.Server) {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(conn)
	answer, err := http.ReadResponse(br, nil)
	for err == nil && answer.StatusCode == http.StatusEarlyHints {
		answer, err = http.ReadResponse(br, nil)
	}
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols || len(answer.Cookies()) != 1 {
		t.Fatalf("answer %v, %v: want 101 with the cookie", answer, err)
	}
	if raw, _ := io.ReadAll(br); string(raw) != "raw" {
		t.Errorf("after the upgrade %q", raw)
	}
}
