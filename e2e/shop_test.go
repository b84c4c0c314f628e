package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take. It decides nothing in a test that
// passes.
const patience = 90 * time.Second

// shopBinary is built once.
var shopBinary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		if testing.Short() {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "shop")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		shopBinary = filepath.Join(dir, "shop")
		build := exec.Command("go", "build", "-o", shopBinary, ".")
		build.Dir = "../shop"
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the shop: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// audit matches the lines of an audit log: logins, new IDs and ends of sessions, revocations, and acts on the operators' page.
var audit = regexp.MustCompile(`level=INFO msg="session (login|renewed|rotated|ended|logins revoked|admin)"`)

// startShop starts the shop on a free port and returns its URL. What it says
// on standard error, but for logins, fails the test; SIGTERM at the end must end it well.
func startShop(t *testing.T, args ...string) (url string) {
	t.Helper()
	return startShopThatSays(t, `^$`, args...)
}

// startShopThatSays is startShop where something happens that is logged: each
// line of it must match log.
func startShopThatSays(t *testing.T, log string, args ...string) (url string) {
	t.Helper()
	url, _ = startShopWithKey(t, log, args...)
	return url
}

// startShopWithKey is startShopThatSays that returns the key of the operators' page too.
func startShopWithKey(t *testing.T, log string, args ...string) (url, key string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the shop is a process of its own, without a race detector: make test runs it")
	}
	expected := regexp.MustCompile(log)
	cmd := exec.Command(shopBinary, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	var said bytes.Buffer // to be read once the process has ended
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the shop ended with %v", err)
		}
		for line := range strings.Lines(said.String()) {
			if !expected.MatchString(line) && !audit.MatchString(line) {
				t.Errorf("the shop said: %s", line)
			}
		}
	})
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the shop did not start: %v", err)
	}
	page, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the shop names no key: %v", err)
	}
	url = regexp.MustCompile(`http://\S+`).FindString(line)
	if url == "" {
		t.Fatalf("no URL in %q", line)
	}
	if found := regexp.MustCompile(`\(key (\w+)\)`).FindStringSubmatch(page); found != nil {
		key = found[1]
	}
	return url, key
}
