package redisstore_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
)

const (
	throttledURL      = "REDISSTORE_THROTTLED"
	throttledBackup   = "REDISSTORE_THROTTLED_BACKUP"
	throttledVisitors = "REDISSTORE_THROTTLED_VISITORS"
	throttledRequests = "REDISSTORE_THROTTLED_REQUESTS"
)

var throttled = flag.Int("throttled", 240, "how many `requests` the visitors of a throttled process send; the figures of docs/RELIABILITY.md are of 3000")

// A container with a part of a processor: the kernel stops it for most of each tenth of a
// second. The server is well, so that nothing of that is the store's failure.
func TestAProcessWithoutProcessorDoesNotBlameTheStore(t *testing.T) {
	if url := os.Getenv(throttledURL); url != "" {
		visitors, err := strconv.Atoi(os.Getenv(throttledVisitors))
		if err != nil {
			t.Fatal(err)
		}
		requests, err := strconv.Atoi(os.Getenv(throttledRequests))
		if err != nil {
			t.Fatal(err)
		}
		visit(t, url, os.Getenv(throttledBackup) != "", visitors, requests/visitors)
		return
	}
	for _, how := range throttles() {
		for _, share := range []float64{0.5, 0.2} {
			for _, backup := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %.1f of one, backup %v", how.name, share, backup), func(t *testing.T) {
					crowd{visitors: 8, requests: *throttled, backup: backup}.run(t, func(t *testing.T, p *os.Process, enough func()) {
						how.begin(t, p, share)
						enough()
					})
				})
			}
		}
	}
}

// Sixteen visitors, and a process that stands still for 120 ms, again and again: a garbage
// collector of a neighbor, a machine that is moved, a debugger. Where a call is on its way for
// long, it stands still in the middle of one.
func TestPausesOfAProcessFailNoVisitor(t *testing.T) {
	for _, c := range []crowd{
		{visitors: 16, requests: 4 * *throttled},
		{visitors: 16, requests: 4 * *throttled, backup: true},
		{visitors: 16, requests: 2 * *throttled, takes: 10 * time.Millisecond},
		{visitors: 16, requests: 2 * *throttled, backup: true, takes: 10 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("backup %v, calls of %v", c.backup, c.takes), func(t *testing.T) {
			c.run(t, func(t *testing.T, p *os.Process, enough func()) {
				var pauses sync.WaitGroup
				n := 0
				pauses.Go(func() {
					for time.Sleep(150 * time.Millisecond); p.Signal(syscall.SIGSTOP) == nil; time.Sleep(150 * time.Millisecond) {
						time.Sleep(120 * time.Millisecond)
						if p.Signal(syscall.SIGCONT) == nil {
							if n++; n == 3 {
								enough()
							}
						}
					}
				})
				t.Cleanup(func() {
					if pauses.Wait(); n < 3 {
						t.Errorf("%d pauses, want three at least", n)
					}
				})
			})
		})
	}
}

// visit is the process that is throttled. Each visitor sends so many requests, and goes on
// until the other process has closed the input.
func visit(t *testing.T, url string, backup bool, visitors, requests int) {
	o := &session.Options{}
	if backup {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		o.Backup = &session.Backup{Keys: keys, Audience: "test"}
	}
	var why sync.Map
	o.Hooks.Failed = func(_ context.Context, operation session.Operation, _ session.ID, err error) {
		n, _ := why.LoadOrStore(operation.String()+": "+err.Error(), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	m, err := session.New(redisstore.New(newClient(t, url)), o)
	if err != nil {
		t.Fatal(err)
	}
	n := session.NewKey[int]("n")
	h := m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if r.Method == http.MethodPost {
			_ = n.Update(s, func(n *int) error { *n++; return nil })
		}
	})
	var enough atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		enough.Store(true)
	}()
	var sent, failed atomic.Int64
	var all sync.WaitGroup
	for range visitors {
		all.Go(func() {
			cookies := map[string]string{}
			for i := 0; i < requests || !enough.Load(); i++ {
				sent.Add(1)
				method := http.MethodGet
				if i%5 == 0 {
					method = http.MethodPost
				}
				r := httptest.NewRequest(method, "/", nil)
				for name, value := range cookies {
					r.AddCookie(&http.Cookie{Name: name, Value: value})
				}
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if rec.Code != http.StatusOK {
					failed.Add(1)
				}
				for _, c := range rec.Result().Cookies() {
					if cookies[c.Name] = c.Value; c.MaxAge < 0 {
						delete(cookies, c.Name)
					}
				}
				for end := time.Now().Add(2 * time.Millisecond); time.Now().Before(end); { // the work of a page
				}
			}
		})
	}
	all.Wait()
	visits, lost, copies := int(sent.Load()), int(failed.Load()), int(m.Stats().Degraded)
	fmt.Printf("%d requests: %d failed, %d from a copy\n", visits, lost, copies)
	if lost > 0 || copies*50 > visits {
		why.Range(func(text, n any) bool { t.Errorf("%d times %s", n.(*atomic.Int64).Load(), text); return true })
		t.Errorf("want 0 failed and at most 2 %% from a copy")
	}
}
