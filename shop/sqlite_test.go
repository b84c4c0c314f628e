package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

// argumentsVariable makes the test binary the shop itself, which can be killed then.
const argumentsVariable = "SHOP_TEST_ARGUMENTS"

func init() {
	patienceAtStart, patienceWithOwn = time.Minute, time.Minute // a store on a busy machine is no store that is away
	if arguments := os.Getenv(argumentsVariable); arguments != "" {
		os.Exit(run(context.Background(), strings.Fields(arguments), os.Stdout, os.Stderr))
	}
}

// ownProcess is the shop in a process of its own.
type ownProcess struct {
	process
	cmd *exec.Cmd
}

// startProcess starts the shop as a program, for the visitor who has jar.
func startProcess(t *testing.T, jar http.CookieJar, arguments string) *ownProcess {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), argumentsVariable+"="+arguments)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &ownProcess{cmd: cmd, process: process{client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}}
	t.Cleanup(p.client.CloseIdleConnections)
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it says nothing: %v", err)
	}
	p.line = line
	p.url = regexp.MustCompile(`http://[^ ]+`).FindString(line)
	return p
}

// kill ends the process as a crash does.
func (p *ownProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// items returns how many items are in the visitor's cart.
func (p *ownProcess) items(t *testing.T) int {
	t.Helper()
	p.eventually(t, "/user/readonly", http.StatusOK)
	a, err := p.client.Get(p.url + "/user/readonly")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var user struct{ Food []json.RawMessage }
	if err := json.NewDecoder(a.Body).Decode(&user); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("the visitor: status %d, %v", a.StatusCode, err)
	}
	return len(user.Food)
}

// add adds an item to the visitor's cart, and another one where a busy machine had no
// answer in time.
func (p *ownProcess) add(t *testing.T, sku string) {
	t.Helper()
	timeleft.Poll(t, "a post to the cart that is answered 200", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/user/shoppingcart", strings.NewReader(`{"sku":"`+sku+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		a, err := p.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusOK && a.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("a post to the cart: status %d, want 200", a.StatusCode)
		}
		return a.StatusCode == http.StatusOK
	})
}

// outlivesKills adds to a cart in a shop that is killed after each item, and looks
// whether all of them are there.
func outlivesKills(t *testing.T, address string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	arguments := "-addr 127.0.0.1:0 -insecure -no-backup -store " + address
	shop := startProcess(t, jar, arguments)
	shop.eventually(t, "/user", http.StatusOK)
	for range 3 {
		shop.add(t, "rye")
		shop.kill() // at once: what was answered 200 is in the store
		shop = startProcess(t, jar, arguments)
	}
	if got := shop.items(t); got < 3 {
		t.Errorf("after three kills: got %d items in the cart, want the 3 that were answered 200", got)
	}
}

func TestACartInSQLiteOutlivesKillsOfTheShop(t *testing.T) {
	outlivesKills(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db"))
}

func TestTheShopClosesItsSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-no-backup", "-store", "sqlite:"+path)
	if want := "(store sqlite:" + path + ")\n"; !strings.HasSuffix(s.line, want) {
		t.Errorf("got %q, want the end %q", s.line, want)
	}
	s.eventually(t, "/user", http.StatusOK)
	s.eventually(t, "/user/readonly", http.StatusOK)
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0: %s", exit, s.stderr.String())
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
		t.Errorf("got %q, want the file alone", names)
	}
}

func TestTheShopSaysWhyASQLiteFileDoesNotOpen(t *testing.T) {
	var said strings.Builder
	if exit := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-store", "sqlite:/nowhere/shop.db"}, &said, &said); exit != 1 {
		t.Errorf("got exit status %d, want 1", exit)
	}
	if !strings.Contains(said.String(), "/nowhere/shop.db: no such file or directory") {
		t.Errorf("got %s", said.String())
	}
}
