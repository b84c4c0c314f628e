//go:build unix

// Package sourcetest holds a source of orders to the rule that all sources follow, on a
// real server: what an instance reads first stands now, every change reaches it, and an
// outage of the source changes nothing.
package sourcetest

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/daemon"
	"github.com/holdfast-go/session/override"
)

// Place is a server with orders on it.
type Place struct {
	Server *daemon.Server

	// New returns a source of the order under a name.
	New func(name string) override.Source

	// Put writes a text under a name, whatever stands there. Delete removes it.
	Put    func(name, text string)
	Delete func(name string)
}

// patience is how long a change may take to arrive on a machine that is busy. It decides
// nothing in a test that passes.
const patience = 60 * time.Second

var (
	auto       = session.Override{}
	storeOnly  = session.Override{Mode: session.StoreOnly}
	backupOnly = session.Override{Mode: session.BackupOnly}
)

// Run runs all cases. Its subtests share the server, one after the other.
func Run(t *testing.T, p Place) {
	t.Run("a fleet follows each change", p.changes)
	t.Run("an instance starts in the middle of an incident", p.incident)
	t.Run("nonsense changes nothing", p.nonsense)
	t.Run("a source that is frozen changes nothing", p.frozen)
	t.Run("a source that is killed changes nothing", p.killed)
	t.Run("an instance starts while the source is away", p.startWithout)
}

// Instance is a program that goes by the order.
type Instance struct {
	*override.Follower
	t *testing.T

	mu   sync.Mutex
	last error
}

// How often an instance reads the source where nothing tells of a change.
const (
	OnlyWatches = time.Hour   // what arrives in a test was told of
	Soon        = time.Second // what was not told of arrives too
)

// Follow starts an instance that has its last order in the file keep, or nowhere. On a
// machine that is busy it may have to begin without an answer of the source.
func (p Place) Follow(t *testing.T, name, keep string, every time.Duration) *Instance {
	t.Helper()
	return p.follow(t, name, keep, every, 5*time.Second)
}

// answered is an instance that has an answer of the source when it begins.
func (p Place) answered(t *testing.T, name, keep string) *Instance {
	t.Helper()
	return p.follow(t, name, keep, Soon, patience)
}

func (p Place) follow(t *testing.T, name, keep string, every, timeout time.Duration) *Instance {
	t.Helper()
	i := &Instance{t: t}
	f, err := override.Follow(p.New(name), &override.FollowOptions{
		Keep: keep, Every: every, Timeout: timeout,
		Report: func(err error) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.last = err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	i.Follower = f
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// Becomes waits until the instance goes by want.
func (i *Instance) Becomes(when string, want session.Override) {
	i.t.Helper()
	i.until(when, func() bool { return i.Override() == want })
}

// Is asks that the instance goes by want now.
func (i *Instance) Is(when string, want session.Override) {
	i.t.Helper()
	if got := i.Override(); got != want {
		i.t.Fatalf("%s: got %+v, want %+v", when, got, want)
	}
}

// Notices waits until the instance says that it cannot read the source, or that it can.
func (i *Instance) Notices(when string, away bool) {
	i.t.Helper()
	i.until(when, func() bool { return (i.Stats().Err != nil) == away })
}

func (i *Instance) until(when string, is func() bool) {
	i.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.t.Fatalf("%s: waited in vain; got %+v, the last report is %v", when, i.Stats(), i.last)
		}
	}
}

func (p Place) changes(t *testing.T) {
	fleet := []*Instance{p.Follow(t, "changes", "", OnlyWatches), p.Follow(t, "changes", "", OnlyWatches), p.Follow(t, "changes", "", OnlyWatches)}
	all := func(when string, want session.Override) {
		t.Helper()
		for _, i := range fleet {
			i.Becomes(when, want)
		}
	}
	all("nothing has ever stood", auto)
	for _, step := range []struct {
		is   string
		do   func()
		want session.Override
	}{
		{"the first order, without a newline", func() { p.Put("changes", "backup-only") }, backupOnly},
		{"another", func() { p.Put("changes", "store-only\n") }, storeOnly},
		{"it is deleted", func() { p.Delete("changes") }, auto},
		{"one after a deletion", func() { p.Put("changes", `{"mode":"backup-only"}`) }, backupOnly},
		{"auto", func() { p.Put("changes", "auto") }, auto},
		{"one after auto", func() { p.Put("changes", "store-only") }, storeOnly},
	} {
		step.do()
		all(step.is, step.want)
	}
	// The last of many counts, however they fall between the reads.
	for range 20 {
		p.Put("changes", "store-only")
		p.Put("changes", "backup-only")
	}
	all("the last of many", backupOnly)
}

func (p Place) incident(t *testing.T) {
	p.Put("incident", "backup-only")
	p.answered(t, "incident", "").Is("at the start", backupOnly)
	p.Delete("incident")
	i := p.answered(t, "incident", "")
	i.Is("a start after its end", auto)
	if st := i.Stats(); st.Err != nil || st.Read.IsZero() {
		t.Errorf("a start after its end: got %+v, want an order that was read", st)
	}
}

func (p Place) nonsense(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "order")
	i := p.Follow(t, "nonsense", keep, Soon)
	p.Put("nonsense", "backup-only")
	i.Becomes("an order", backupOnly)
	p.Put("nonsense", "backup only, please")
	i.Notices("nonsense", true)
	i.Is("nonsense", backupOnly)
	p.Follow(t, "nonsense", keep, Soon).Is("a start with nonsense and a kept order", backupOnly)
	p.Follow(t, "nonsense", "", Soon).Is("a start with nonsense", auto)
	p.Put("nonsense", "store-only")
	i.Becomes("an order again", storeOnly)
}

func (p Place) frozen(t *testing.T) { p.outage(t, "frozen", p.Server.Freeze, p.Server.Thaw) }

func (p Place) killed(t *testing.T) { p.outage(t, "killed", p.Server.Kill, p.Server.Restart) }

// outage takes the source away and gives it back: its last order stands meanwhile.
func (p Place) outage(t *testing.T, name string, begin, end func()) {
	p.Put(name, "backup-only")
	i := p.Follow(t, name, "", Soon)
	i.Becomes("at the start", backupOnly)
	begin()
	i.Notices(name, true)
	i.Is(name, backupOnly)
	end()
	i.Notices("back", false)
	i.Is("back", backupOnly)
	p.Put(name, "store-only")
	i.Becomes("another order", storeOnly)
}

func (p Place) startWithout(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "order")
	p.Put("without", "backup-only")
	i := p.answered(t, "without", keep)
	i.Is("at the start", backupOnly)
	p.Server.Kill()
	again, anew := p.Follow(t, "without", keep, Soon), p.Follow(t, "without", "", Soon)
	again.Is("a start with a kept order", backupOnly)
	if st := again.Stats(); !st.Kept || st.Err == nil || st.Read.IsZero() {
		t.Errorf("a start with a kept order: got %+v, want a kept order that was read once", st)
	}
	anew.Is("a start without a kept order", auto)
	p.Server.Restart()
	anew.Becomes("the source is back", backupOnly)
	again.Notices("the source is back", false)
	again.Is("the source is back", backupOnly)
}
