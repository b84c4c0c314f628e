package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/ownport"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// The program of the README, as it stands there but for its port, counts the visits of
// a browser.
func TestTheProgramCountsVisits(t *testing.T) {
	port, err := ownport.Take() // until it is compiled, and runs
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	address := strings.Replace(port.Addr(), "127.0.0.1", "localhost", 1)
	program := build(t, address)
	cmd := exec.CommandContext(t.Context(), program)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })

	url := "http://" + address + "/"
	var answer *http.Response
	for end := time.Now().Add(timeleft.Within(t, 30*time.Second)); ; time.Sleep(20 * time.Millisecond) {
		if answer, err = http.Get(url); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	wantBody(t, answer, "Visit 1.\n")
	cookies := answer.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got the cookies %v, want one", cookies)
	}
	for _, want := range []string{"Visit 2.\n", "Visit 3.\n"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: cookies[0].Value})
		if answer, err = http.DefaultClient.Do(r); err != nil {
			t.Fatal(err)
		}
		wantBody(t, answer, want)
	}
	answer, err = http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	wantBody(t, answer, "Visit 1.\n") // another visitor
}

func wantBody(t *testing.T, answer *http.Response, want string) {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || string(body) != want {
		t.Errorf("got %q, %v, want %q", body, err, want)
	}
}

// build compiles main.go as it would be with another port.
func build(t *testing.T, address string) (program string) {
	t.Helper()
	source, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	changed := strings.Replace(string(text), `"localhost:8080"`, `"`+address+`"`, 1)
	if changed == string(text) {
		t.Fatal("main.go does not listen on localhost:8080")
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: write("main.go", changed)}})
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "first")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", program, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
