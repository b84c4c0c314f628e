//go:build unix

package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(withTemplates{m}, map[string]func(){"holdfast": main, "shop": shop})
}

// withTemplates removes what servers have made once for all tests.
type withTemplates struct{ *testing.M }

// Run implements testscript.TestingM.
func (m withTemplates) Run() int {
	defer mariadbtest.RemoveTemplate()
	return postgrestest.Main(m.M)
}

// The scripts run the command as people do. Decision 77 has why.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"mode":  mode,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "")
			return nil
		},
	})
}

// exits runs a command that ends with a status: exits 1 holdfast …
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed := (*exec.ExitError)(nil)
		if !errors.As(err, &failed) {
			ts.Fatalf("%v", err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("the exit status is %d, want %d", got, want)
	}
}

// mode checks the mode of a file: mode 0600 keys
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("the mode of %s is %s, want %s", args[1], got, args[0])
	}
}

// shop is a program whose visitor logs in and fills a cart. It prints what the browser gets:
// shop KEYS AUDIENCE.
func shop() {
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = sell(string(text), os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sell(text, audience string) error {
	keys, err := seal.ParseKeys(text)
	if err != nil {
		return err
	}
	cart := session.NewKey[[]string]("cart", session.Rank(3))
	risk := session.NewKey[int]("risk", session.ServerOnly())
	sessions, err := session.New(memstore.New(nil), &session.Options{Backup: &session.Backup{Keys: keys, Audience: audience}})
	if err != nil {
		return err
	}
	handler := sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			return
		}
		s.Renew()
		s.SetUser("ann")
		cart.Set(s, []string{"bread", strings.Repeat("salt ", 100)})
		risk.Set(s, 7)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://shop.test/", nil))
	for _, line := range w.Result().Header.Values("Set-Cookie") {
		fmt.Println("Set-Cookie: " + line)
	}
	return nil
}
