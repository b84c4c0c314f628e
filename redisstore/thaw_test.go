package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
)

const thawedURL, thawedBackup = "REDISSTORE_THAWED", "REDISSTORE_THAWED_BACKUP"

// A function that is frozen between two calls, as in AWS Lambda: meanwhile the server closes
// the connections that are not used, and the next call comes at the moment of the thaw.
func TestTheFirstReadAfterAThawIsAnswered(t *testing.T) {
	if url := os.Getenv(thawedURL); url != "" {
		readOnDemand(t, url, os.Getenv(thawedBackup) != "")
		return
	}
	for _, backup := range []bool{false, true} {
		t.Run(fmt.Sprint("backup ", backup), func(t *testing.T) {
			server := redistest.Start(t)
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheFirstReadAfterAThawIsAnswered$", "-test.v")
			child.Env = append(os.Environ(), thawedURL+"="+server.URL())
			if backup {
				child.Env = append(child.Env, thawedBackup+"=1")
			}
			ask, err := child.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewScanner(out)
			answer := func() string {
				for answers.Scan() {
					if text, ok := strings.CutPrefix(answers.Text(), "answer: "); ok {
						return text
					}
				}
				t.Fatal("the process has ended")
				return ""
			}
			answer() // to the write that begins the session
			good := 0
			const thaws = 5
			for range thaws {
				_ = child.Process.Signal(syscall.SIGSTOP)
				time.Sleep(400 * time.Millisecond) // longer than any budget
				server.Command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				fmt.Fprintln(ask, "read") // which waits in the pipe
				waited := witness(t, server)
				_ = child.Process.Signal(syscall.SIGCONT)
				got, longest := answer(), waited()
				switch {
				case got == "200 1 store":
					good++
				case longest < silence(backup):
					t.Errorf("the first read after a thaw is answered %s; another process waited %v for the server at most", got, longest)
				}
			}
			t.Logf("%d of %d first reads were answered by the store", good, thaws)
			ask.Close()
			if err := child.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// readOnDemand is the process that is frozen: it begins a session, and reads it for each line.
func readOnDemand(t *testing.T, url string, backup bool) {
	h := counting(t, url, &session.Options{}, backup)
	cookies := ""
	serve := func(method string) {
		r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
		r.Header.Set("Cookie", cookies)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookies += c.Name + "=" + c.Value + "; "
		}
		fmt.Printf("answer: %d %s\n", w.Code, w.Body)
	}
	serve(http.MethodPost)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		serve(http.MethodGet)
	}
}

// counting returns a handler that counts the POSTs of a session, and tells where it was
// read from.
func counting(t *testing.T, url string, o *session.Options, backup bool) http.Handler {
	if backup {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		o.Backup = &session.Backup{Keys: keys, Audience: "test"}
	}
	client := newClient(t, url)
	m, err := session.New(redisstore.New(client), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = m.Close(ctx)
	})
	n := session.NewKey[int]("n")
	return m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if r.Method == http.MethodPost {
			_ = n.Update(s, func(n *int) error { *n++; return nil })
		}
		fmt.Fprint(w, n.Or(s, 0), " ", s.Source())
	})
}

// Redis is full: it answers loads and refuses saves. A client that carries the token in a
// header has no copy, and is read for all the same, with a backup and without.
func TestAHeaderClientReadsFromAFullServer(t *testing.T) {
	for _, backup := range []bool{false, true} {
		t.Run(fmt.Sprint("backup ", backup), func(t *testing.T) {
			server := redistest.Start(t)
			// No read is to fail because the machine is busy.
			h := counting(t, server.URL(), &session.Options{Header: "X-Session", ReadTimeout: patience, SaveTimeout: patience}, backup)
			token := ""
			serve := func(method string) string {
				r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
				if token != "" {
					r.Header.Set("X-Session", token)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if sent := w.Header().Get("X-Session"); sent != "" {
					token = sent
				}
				text, _ := io.ReadAll(w.Result().Body)
				return fmt.Sprint(w.Code, " ", strings.TrimSpace(string(text)))
			}
			if got := serve(http.MethodPost); !strings.HasPrefix(got, "200") {
				t.Fatalf("the first write: %s", got)
			}
			// An instance reads for clients without a copy once it has seen the store save.
			eventually(t, "a probe that has saved", func() bool {
				server.Command("CONFIG", "SET", "maxmemory", "1")
				serve(http.MethodPost)
				if serve(http.MethodGet) == "200 1 store" {
					return true
				}
				server.Command("CONFIG", "SET", "maxmemory", "0")
				return false
			})
			good := 0
			for range 30 {
				if got := serve(http.MethodPost); !strings.HasPrefix(got, "503") {
					t.Errorf("a write that the server refuses is answered %s", got)
				}
				if got := serve(http.MethodGet); got == "200 1 store" {
					good++
				} else {
					t.Errorf("a read is answered %s", got)
				}
			}
			t.Logf("%d of 30 reads are answered", good)
		})
	}
}
