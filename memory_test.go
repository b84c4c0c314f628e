package session_test

import (
	"context"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var begun = flag.Int("begun", 10_000, "how many sessions TestMemoryInAnOutage begins; docs/RELIABILITY.md has the figures of 100,000")

// The bounds of what a process holds besides the journal.
const (
	openedCopies = 16 << 20 // of the copies that it has opened or sealed lately
	onItsWay     = 400      // of an answer with a copy, for 30 s: which cookie it has set
	slack        = 2 << 20  // of all that does not grow with the sessions
)

// fiveMinutes is how long sessions go on to begin.
const fiveMinutes = 5 * time.Minute

// process is an application in a test of its memory.
type process struct {
	*session.Manager
	*testing.T
	path string // of its keys
	keys *seal.File
}

// newKey changes the keys, and begins a session. With new keys a process drops all copies that
// it has opened.
func (p *process) newKey() {
	p.Helper()
	if err := os.WriteFile(p.path, []byte(seal.NewKey().Reveal()), 0o600); err != nil {
		p.Fatal(err)
	}
	if err := p.keys.Reload(); err != nil {
		p.Fatal(err)
	}
	if failed := p.begin(1, 0); failed > 0 {
		p.Fatal("a session did not begin")
	}
}

// A process in which very many sessions begin, write and end while the store is away holds
// no more than its journal, its revocation set and its opened copies may take up. When it is
// closed, no goroutine of it is left: synctest.Test fails where one is.
func TestMemoryInAnOutage(t *testing.T) {
	n := *begun
	if testing.Short() {
		n = min(n, 4_000)
	}
	for _, test := range []struct {
		name    string
		begins  func(*storetest.Faulty)
		journal int  // bytes
		full    bool // the journal has to drop some
	}{
		{"of a store that refuses", func(f *storetest.Faulty) { f.Fail(errRefused) }, 64 << 20, false},
		{"of a store that is silent", func(f *storetest.Faulty) { f.Hang() }, 64 << 20, false},
		{"with a journal that is too small for them", func(f *storetest.Faulty) { f.Fail(errRefused) }, n * 400, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(seal.NewKey().Reveal()), 0o600); err != nil {
				t.Fatal(err)
			}
			keys, err := seal.WatchFile(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			keys.Close() // from now on the test reloads it
			synctest.Test(t, func(t *testing.T) {
				store := storetest.NewFaulty(memstore.New(nil))
				m, err := session.New(store, &session.Options{Backup: &session.Backup{
					Keys: keys.Keys, Audience: "memory-test", Journal: test.journal,
				}})
				if err != nil {
					t.Fatal(err)
				}
				p := &process{m, t, path, keys}
				time.Sleep(10 * time.Second)
				test.begins(store)
				time.Sleep(10 * time.Second) // the breaker is open
				p.newKey()
				before := heapInUse()
				failed := p.begin(n, fiveMinutes)
				time.Sleep(time.Minute)
				synctest.Wait()
				withCopies := heapInUse() - before
				p.newKey()
				without := heapInUse() - before
				st := m.Stats().Journal
				t.Logf("%d sessions: the heap grew by %d KB, %d KB of them copies that were opened; the journal counts %d KB, of %d KB, for %d sessions and %d tombstones, and has dropped %d",
					n, withCopies>>10, (withCopies-without)>>10, st.Bytes>>10, test.journal>>10, st.States, st.Tombstones, st.Lost)
				if failed > 0 {
					t.Errorf("%d sessions did not begin, write or end", failed)
				}
				if st.Bytes > test.journal {
					t.Errorf("the journal takes up %d bytes, of %d", st.Bytes, test.journal)
				}
				if test.full && st.Lost == 0 {
					t.Error("the journal has dropped nothing: there were too few sessions")
				}
				answers := int64(n) * int64(30*time.Second) / int64(fiveMinutes)
				if most := int64(st.Bytes)*115/100 + answers*onItsWay + slack; without > most {
					t.Errorf("without opened copies the heap grew by %d bytes, want %d at most", without, most)
				}
				if copies := withCopies - without; copies > openedCopies*115/100 {
					t.Errorf("the opened copies take up %d bytes, want %d at most", copies, openedCopies)
				}
				store.Heal()
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// begin begins sessions, evenly over a time, and writes in each twice. Every tenth ends. It
// returns how many answers were others than 200.
func (p *process) begin(n int, over time.Duration) int {
	const workers = 32
	words := strings.Repeat("a basket of many things ", 10)
	var failed atomic.Int32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				v := sessiontest.NewVisitor(p.T, p.Manager)
				do := func(f func(*session.Session)) {
					answer := v.Get(p.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s, err := session.From(r.Context())
						if err != nil {
							session.Error(w, r, err)
							return
						}
						f(s)
					}), "/")
					if answer.StatusCode != http.StatusOK {
						failed.Add(1)
					}
				}
				do(func(s *session.Session) { user.Set(s, name(i)) })
				do(func(s *session.Session) { food.Set(s, words) })
				if i%10 == 0 {
					do(func(s *session.Session) { _, _ = s.Destroy(context.Background()) })
				}
				time.Sleep(over * workers / time.Duration(n))
			}
		})
	}
	wg.Wait()
	return int(failed.Load())
}

// heapInUse returns how many bytes are in use.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
