package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

var errRefused = errors.New("connection refused")

// saboteur is a store with one flaw that a real store has or well might have,
// and the cases that it must fail: those and no others.
type saboteur struct {
	name     string
	client   flaw // in the process: each instance has its own
	server   flaw // behind it: a restart begins it anew
	breaks   []string
	mayBreak []string // also these, by the order in which calls at once arrive
}

var saboteurs = slices.Concat(dataSaboteurs, versionSaboteurs, expirySaboteurs, awaySaboteurs, listSaboteurs, probeSaboteurs, pinSaboteurs)

// recorder is a reporter that keeps what it is told.
type recorder struct {
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// try runs one case against a saboteur and returns what it finds.
func (s saboteur) try(t *testing.T, c testCase) []string {
	with := func(f flaw, store session.Store) session.Store {
		if f != nil {
			return f(store)
		}
		return store
	}
	var faulty *Faulty
	var client session.Store
	empty := func() session.Store {
		return with(s.server, memstore.New(&memstore.Options{MaxBytes: 3 << 19}))
	}
	h := Harness{
		New: func(testing.TB) session.Store {
			faulty = NewFaulty(empty())
			faulty.Before(func(string, session.ID) error { // so that calls at once are so in each run
				time.Sleep(time.Millisecond)
				return nil
			})
			client = with(s.client, faulty)
			return client
		},
		Connections: func(testing.TB) int {
			if d, ok := client.(interface{ dialed() int }); ok {
				return d.dialed()
			}
			return 1
		},
		Again: func(testing.TB) session.Store {
			time.Sleep(time.Second) // no two are born at the same time
			return with(s.client, faulty)
		},
		Restart:   func(testing.TB) { faulty.Replace(empty()) },
		Freeze:    func(testing.TB) { faulty.Hang() },
		Thaw:      func(testing.TB) { faulty.Heal() },
		Down:      func(testing.TB) { faulty.Fail(errRefused) },
		Up:        func(testing.TB) { faulty.Heal() },
		MaxRecord: 1 << 20,
	}
	var rec recorder
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		go func() { // which a Fatalf ends
			defer close(done)
			c.run(&check{&rec, h, t, h.New(t)})
		}()
		<-done
		time.Sleep(time.Minute) // whatever a saboteur left running ends
	})
	return rec.failures
}

func TestSaboteurs(t *testing.T) {
	broken := map[string]bool{}
	for _, s := range saboteurs {
		for _, name := range s.breaks {
			broken[name] = true
			if !slices.ContainsFunc(cases, func(c testCase) bool { return c.name == name }) {
				t.Errorf("%s: no such case: %s", s.name, name)
			}
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				failures := s.try(t, c)
				switch want := slices.Contains(s.breaks, c.name); {
				case slices.Contains(s.mayBreak, c.name):
				case want && failures == nil:
					t.Errorf("passes: %s", c.name)
				case !want && failures != nil:
					t.Errorf("fails: %s\n\t%s", c.name, failures[0])
				case want:
					t.Logf("%s\n\t%s", c.name, failures[0])
				}
			}
		})
	}
	for _, c := range cases {
		if !broken[c.name] {
			t.Errorf("no saboteur fails: %s", c.name)
		}
	}
	for _, s := range saboteurs {
		if s.breaks == nil {
			t.Errorf("breaks nothing: %s", s.name)
		}
	}
}

func TestCasesPassWithoutASaboteur(t *testing.T) {
	for _, c := range cases {
		for _, failure := range (saboteur{}).try(t, c) {
			t.Errorf("%s: %s", c.name, failure)
		}
	}
}
