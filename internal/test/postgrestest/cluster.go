//go:build unix

package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// template is a cluster that new ones are copies of, or "". To make one takes a second.
var template string

// Main runs the tests of a package that starts many servers, and returns the exit status,
// for its TestMain. Their clusters are then copies of one, with one system identifier.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "postgres")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		template = filepath.Join(dir, "template")
		err = os.Mkdir(template, 0o700)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

var makeTemplate = sync.OnceValue(func() error {
	_, err := initdb(template)
	return err
})

// newCluster makes the directory data in dir, which was made by testing.T.TempDir, and
// returns who may run PostgreSQL on it.
func newCluster(dir string) (*syscall.SysProcAttr, error) {
	if template == "" {
		return initdb(dir)
	}
	if err := makeTemplate(); err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(template, "data"), dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postgrestest: cp: %w: %s", err, out)
	}
	return own(dir)
}

func initdb(dir string) (*syscall.SysProcAttr, error) {
	as, err := own(dir)
	if err != nil {
		return nil, err
	}
	path, err := program("initdb")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "-D", filepath.Join(dir, "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.SysProcAttr, cmd.Dir = as, dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postgrestest: initdb: %w: %s", err, out)
	}
	return as, nil
}

// backup fills the directory of a server that is to follow the one at url.
func backup(url string, standby *Server) error {
	path, err := program("pg_basebackup")
	if err != nil {
		return err
	}
	cmd := exec.Command(path, "-d", url, "-D", standby.data(), "-R", "-c", "fast", "--no-sync")
	cmd.SysProcAttr, cmd.Dir = standby.as, standby.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgrestest: pg_basebackup: %w: %s", err, out)
	}
	return nil
}

// own gives dir to Debian's user postgres where the test is root's: as root PostgreSQL
// does not run.
func own(dir string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, errors.Join(err1, err2, os.Chown(dir, uid, gid), os.Chmod(filepath.Dir(dir), 0o711))
}

const install = "apt-get install postgresql"

// program finds a program of PostgreSQL, which Debian keeps out of PATH.
func program(name string) (string, error) {
	return daemon.Find(name, install, "/usr/lib/postgresql/*/bin/"+name)
}
