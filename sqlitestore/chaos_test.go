package sqlitestore_test

import (
	"flag"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
)

var faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")

// Three instances on one file. There is no server to kill: the file itself goes away, is
// locked by a process that stands still, or loses what it has, and a fourth process is
// stopped and killed while it saves.
func TestVisitorsInChaos(t *testing.T) {
	notShort(t)
	p := newPlace(t)
	var backup string
	var saver *process
	saves := func(t testing.TB) {
		saver = start(t, "save", p.path)
		for range 20 {
			if !saver.out.Scan() {
				t.Fatal("the process has ended")
			}
		}
	}
	stops := func(t testing.TB) {
		saves(t)
		if err := saver.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	killed := func(t testing.TB) {
		saves(t)
		saver.kill()
		saves(t)
	}
	do := func(f func(testing.TB)) func([]*chaos.Wire) { return func([]*chaos.Wire) { f(t) } }
	chaos.Run(t, chaos.Place{
		Instances: 3,
		Visitors:  50,
		For:       *faultFor,
		Open:      func(t testing.TB, _ *chaos.Wire) session.Store { return p.open(t) },
		Faults: []chaos.Fault{
			{Name: "the file is away" + chaos.Forgets, Begin: do(p.down), End: do(p.upEmpty)},
			{Name: "another process has the writer's lock", Begin: func([]*chaos.Wire) {
				backup = backUp(t, p)
				p.freezeWrites(t)
			}, End: do(p.thaw)},
			{
				Name:  "an older state is restored",
				Begin: func([]*chaos.Wire) { restore(t, p, backup) },
				End:   func([]*chaos.Wire) {},
			},
			{Name: "another process has all locks", Begin: do(p.freeze), End: do(p.thaw)},
			{Name: "the file is away", Begin: do(p.down), End: do(p.up)},
			{Name: "another process stands still in a save, and is killed", Begin: do(stops), End: do(func(testing.TB) { saver.kill() })},
			{Name: "another process is killed in a save, and starts again", Begin: do(killed), End: do(func(testing.TB) { saver.kill() })},
		},
	})
}
