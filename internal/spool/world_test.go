package spool_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// process is a journal that keeps a file.
type process struct {
	*testing.T
	*spool.Spool
	j *journal.Journal

	mu   sync.Mutex // guards told
	told []spool.Fault
	why  []error
}

var testKey = seal.NewKey()

func keys(t testing.TB, k ...seal.Key) *seal.Keys {
	t.Helper()
	ring, err := seal.NewKeys(k...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// begin starts a process in a directory. adjust may change its options.
func begin(t *testing.T, dir string, adjust func(*spool.Options)) *process {
	t.Helper()
	p := open(t, dir, adjust)
	p.start()
	return p
}

func open(t *testing.T, dir string, adjust func(*spool.Options)) *process {
	t.Helper()
	p := &process{T: t, j: journal.New(8<<20, 8<<20)}
	o := spool.Options{Dir: dir, Keys: keys(t, testKey), Audience: "test", Limit: 16 << 20, Told: p.tell}
	if adjust != nil {
		adjust(&o)
	}
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Spool = s
	p.j.Changed = s.Changed
	return p
}

func (p *process) start() {
	p.Patient()
	p.startImpatient()
}

func (p *process) startImpatient() {
	p.Start(p.j)
	p.Cleanup(func() { _ = p.Close(context.Background()) })
}

func (p *process) tell(f spool.Fault, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, f)
	p.why = append(p.why, err)
}

// wantTold compares what the hook was told since it was asked last.
func (p *process) wantTold(want ...spool.Fault) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.told, want) {
		p.Errorf("the hook was told %v (%v), want %v", p.told, p.why, want)
	}
	p.told, p.why = nil, nil
}

// untilTold is wantTold for what the hook is told after the file has everything.
func (p *process) untilTold(want ...spool.Fault) {
	p.Helper()
	p.poll("the hook is told", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.told) >= len(want)
	})
	p.wantTold(want...)
}

// hint is a state that the store lacks.
func hint(id, value string, clock uint64) state.Copy {
	st := state.State{Created: 1, Authenticated: 1, LastSeen: 1, End: 99}
	st = st.Write([]state.Change{{Name: "k", Value: []byte(value)}}, state.Dot{Clock: clock, Instance: 7})
	return state.Copy{ID: id, State: st, Confirmed: 5, Born: true, NeverStored: true}
}

func (p *process) add(id, value string, clock uint64) {
	p.Helper()
	if _, err := p.j.Add("", hint(id, value, clock), true); err != nil {
		p.Fatal(err)
	}
	p.Wait(id)
}

func death(clock uint64) state.Death {
	return state.Death{Dot: state.Dot{Clock: clock, Instance: 7}, Reason: state.Destroyed}
}

func (p *process) end(t journal.Tombstone) {
	p.Helper()
	if _, err := p.j.AddTombstone("", t, p.time(), func() {}, func(state.Copy, journal.Tombstone) bool { return true }); err != nil {
		p.Fatal(err)
	}
	p.Wait(t.ID)
}

// deliverAll is what happens when the store is back.
func (p *process) deliverAll() {
	for _, g := range p.j.PendingTombstones("") {
		p.j.Arrived(g, g.Death, p.time())
	}
	for _, h := range p.j.Hints("") {
		p.j.Remove(h, true, p.time())
	}
	p.settle()
}

// settle waits until the file has everything.
func (p *process) settle() {
	p.Helper()
	p.poll("everything is written", func() bool { return p.Stats().Unwritten == 0 })
}

// owed says what the journal has not delivered, by ID.
func (p *process) owed() map[string]string {
	all := map[string]string{}
	for _, id := range p.j.UndeliveredIDs() {
		u, ok := p.j.Undelivered(id)
		if !ok {
			continue
		}
		said := fmt.Sprint(u.Anonymous, u.Tombstone)
		if u.Hint != nil {
			said += fmt.Sprint(*u.Hint)
		}
		all[id] = said
	}
	return all
}

// takeOver takes over what is in the directory, into the journal.
func (p *process) takeOver() (n int) {
	p.TakeOver(p.Context(), func(e spool.Entry) bool {
		n++
		return p.enter(e)
	})
	return n
}

func (p *process) enter(e spool.Entry) bool {
	switch e.Kind {
	case spool.Hint:
		_, err := p.j.Add("", *e.Owed.Hint, e.Owed.Anonymous)
		return err == nil
	case spool.Tombstone:
		_, err := p.j.AddTombstone("", e.Owed.Tombstone, p.time(), func() {}, func(state.Copy, journal.Tombstone) bool { return true })
		return err == nil
	}
	return true
}

// crashed returns a directory with the files as they would be if the process ended
// now: their locks are free.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if os.IsNotExist(err) {
			continue // written anew, or removed, in this moment
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, f.Name()), b)
	}
	return to
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}
