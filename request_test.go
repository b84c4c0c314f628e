package session_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

// Access logs, metrics and traces are made by middleware outside.
func TestMiddlewareOutsideSeesWhatTheMuxHasMatched(t *testing.T) {
	m := sessiontest.New(t, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cart/{sku}", func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseForm() })
	mux.HandleFunc("GET /panic/{sku}", func(http.ResponseWriter, *http.Request) { panic("in the handler") })
	type key struct{}
	for name, h := range map[string]http.Handler{
		"without sessions": mux, "Handler": m.Handler(mux), "ReadOnly": m.ReadOnly(mux), "nested": m.Handler(m.ReadOnly(mux)),
		"two Managers": m.Handler(sessiontest.New(t, nil).Handler(mux)),
	} {
		for path, want := range map[string]string{"/cart/7?a=b": "GET /cart/{sku}", "/panic/7?a=b": "GET /panic/{sku}"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r = r.WithContext(context.WithValue(r.Context(), key{}, "outside"))
			func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), r)
			}()
			if r.Pattern != want || r.PathValue("sku") != "7" {
				t.Errorf("%s: after %s pattern %q, sku %q", name, path, r.Pattern, r.PathValue("sku"))
			}
			if path == "/cart/7?a=b" && r.Form.Get("a") != "b" {
				t.Errorf("%s: the form that was parsed is %v", name, r.Form)
			}
			if r.Context().Value(key{}) != "outside" || session.Handled(r.Context()) {
				t.Errorf("%s: the context is not the one of before", name)
			}
		}
	}
}

// The server removes the temporary files of an upload when the request is over.
func TestAnUploadLeavesNoFilesWhenTheHandlerPanics(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	m := sessiontest.New(t, nil)
	var during int
	upload := m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "multipart-*"))
		during = len(files)
		panic("after the upload")
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		upload(w, r)
	}))
	defer server.Close()
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("f", "f")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(make([]byte, 11<<20)) // net/http keeps 10 MB more in memory
	parts.Close()
	answer, err := http.Post(server.URL, parts.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	server.Close() // waits for the request
	files, err := filepath.Glob(filepath.Join(dir, "multipart-*"))
	if during == 0 || len(files) > 0 || err != nil {
		t.Errorf("%d files in the request, %d after it, %v; want none", during, len(files), err)
	}
}

// However a handler ends, with middleware that recovers or without, no file of its upload
// stays, and what it had not saved by then is dropped.
func TestHowAHandlerMayEnd(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	left := func() int {
		files, err := filepath.Glob(filepath.Join(dir, "multipart-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("f", "f")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(make([]byte, 11<<20)) // net/http keeps 10 MB more in memory
	parts.Close()
	for name, end := range map[string]func(){
		"a panic":                  func() { panic("after the upload") },
		"a panic for the server":   func() { panic(http.ErrAbortHandler) },
		"an exit of its goroutine": runtime.Goexit,
		"a return":                 func() {},
	} {
		for _, recovers := range []bool{false, true} {
			for _, header := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, header written: %v, recovered: %v", name, header, recovers), func(t *testing.T) {
					m := sessiontest.New(t, nil)
					v := sessiontest.NewVisitor(t, m, func(s *session.Session) { count.Set(s, 1) })
					during := 0
					h := m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
						if err := r.ParseMultipartForm(1); err != nil {
							t.Error(err)
						}
						during = left()
						_ = count.Update(s, increment)
						if header {
							w.WriteHeader(http.StatusOK)
							_ = count.Update(s, increment)
						}
						end()
					}))
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if recovers {
							defer func() { _ = recover() }()
						}
						h.ServeHTTP(w, r)
					}))
					server.Config.ErrorLog = log.New(io.Discard, "", 0)
					server.Start()
					defer server.Close()
					r := v.Request(http.MethodPost, server.URL, bytes.NewReader(form.Bytes()))
					r.RequestURI = ""
					r.Header.Set("Content-Type", parts.FormDataContentType())
					if answer, err := server.Client().Do(r); err == nil {
						answer.Body.Close()
					}
					server.Close() // waits for the request
					if n := left(); during == 0 || n > 0 {
						t.Errorf("%d files in the request, %d after it, want none", during, n)
					}
					want := 1
					if header {
						want = 2
					}
					if name == "a return" {
						want++
					}
					if got := count.Or(v.Session(), 0); got != want {
						t.Errorf("the session has %d, want %d", got, want)
					}
				})
			}
		}
	}
}

// As with every session library, docs/FRAMEWORKS.md: a new visitor's parallel calls carry no
// cookie yet.
func TestParallelFirstCallsBeginASessionEach(t *testing.T) {
	m := sessiontest.New(t, nil)
	h := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { count.Set(s, 1) }))
	v, first := sessiontest.NewVisitor(t, m), []*http.Request{}
	for range 3 {
		first = append(first, v.Request(http.MethodGet, "/", nil))
	}
	ids := map[session.ID]bool{}
	for _, r := range first {
		v.Do(h, r)
		ids[v.Session().ID()] = true
	}
	if len(ids) != 3 || count.Or(v.Session(), 0) != 1 {
		t.Errorf("three calls began %d sessions, and the browser's has %d; want 3 and 1", len(ids), count.Or(v.Session(), 0))
	}
}

// The connection of a body that is too large is closed where the limit has the server's own
// writer, docs/FRAMEWORKS.md.
func TestABodyThatIsTooLargeEndsTheConnection(t *testing.T) {
	m := sessiontest.New(t, nil)
	read := m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	server := httptest.NewServer(http.MaxBytesHandler(read, 1000))
	defer server.Close()
	for _, test := range []struct {
		size   int
		status int
	}{{1000, 200}, {1001, 413}} {
		answer, err := http.Post(server.URL, "text/plain", bytes.NewReader(make([]byte, test.size)))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if refused := test.status != 200; answer.StatusCode != test.status || answer.Close != refused {
			t.Errorf("%d bytes: status %d, closed: %v; want %d, %v", test.size, answer.StatusCode, answer.Close, test.status, refused)
		}
	}
}
