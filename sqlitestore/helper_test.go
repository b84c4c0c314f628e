package sqlitestore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/sqlitestore"
)

const patience = timeleft.Patience

var (
	record     = records.New
	mustSave   = records.MustSave
	mustLoad   = records.MustLoad
	eventually = timeleft.Poll
)

// roleVariable makes the test binary one of the other processes that share a file.
const roleVariable = "SQLITESTORE_TEST_ROLE"

var roles = map[string]func(path string, in *bufio.Scanner){
	"lock":  lockInTurns,
	"save":  saveForEver,
	"count": countOn,
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		role(os.Args[1], bufio.NewScanner(os.Stdin))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is another process that shares a file.
type process struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

// start runs a role in a process of its own, until the test ends.
func start(t testing.TB, role, path string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, path)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for p.out.Scan() { // Wait closes the pipe
	}
	_ = p.cmd.Wait()
}

// ask sends a line and returns the one that answers it.
func (p *process) ask(t testing.TB, line string) string {
	t.Helper()
	fmt.Fprintln(p.in, line)
	if !p.out.Scan() {
		t.Fatalf("%s: the process has ended", line)
	}
	return p.out.Text()
}

// place is a file in a directory of its own, which can be taken away.
type place struct {
	dir, path string
	locks     *process
}

func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{dir: filepath.Join(t.TempDir(), "data")}
	p.path = filepath.Join(p.dir, "shop's 100%?.db")
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// open opens the store without waiting for the disk, which tests share.
func (p *place) open(t testing.TB) *sqlitestore.Store {
	t.Helper()
	return p.openWith(t, sqlitestore.Options{LosesOnPowerFailure: true})
}

func (p *place) openWith(t testing.TB, o sqlitestore.Options) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(within(t, patience), p.path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// down takes the directory away, as an unmounted disk is.
func (p *place) down(t testing.TB) { mustRename(t, p.dir, p.dir+".away") }

func (p *place) up(t testing.TB) { mustRename(t, p.dir+".away", p.dir) }

// empty renames a new database over the file, as a restore does.
func (p *place) empty(t testing.TB) { mustRename(t, newFile(t), p.path) }

// upEmpty ends down with a new database.
func (p *place) upEmpty(t testing.TB) {
	t.Helper()
	mustRename(t, newFile(t), filepath.Join(p.dir+".away", filepath.Base(p.path)))
	p.up(t)
}

// newFile returns the path of a database without sessions.
func newFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new.db")
	s, err := sqlitestore.Open(within(t, patience), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // the log is in the file now
		t.Fatal(err)
	}
	return path
}

// freeze lets another process have all locks of the file: neither reads nor writes are
// answered.
func (p *place) freeze(t testing.TB) {
	t.Helper()
	if p.locks == nil {
		p.locks = start(t, "lock", p.path)
	}
	p.say(t, "all")
}

// freezeWrites lets another process have the lock of the writer.
func (p *place) freezeWrites(t testing.TB) {
	t.Helper()
	if p.locks == nil {
		p.locks = start(t, "lock", p.path)
	}
	p.say(t, "write")
}

func (p *place) thaw(t testing.TB) { p.say(t, "none") }

func (p *place) say(t testing.TB, line string) {
	t.Helper()
	if answer := p.locks.ask(t, line); answer != "done" {
		t.Fatalf("%s: %s", line, answer)
	}
}

func mustRename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it is not short: make test and make race run it in full")
	}
}
