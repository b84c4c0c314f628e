package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

// patience bounds what a test waits for; it decides nothing in one that passes.
const patience = 30 * time.Second

// nodeConfig is CONFIG of app/server.js.
type nodeConfig struct {
	Redis     string         `json:"redis,omitempty"`
	Memcached []string       `json:"memcached,omitempty"`
	Cipher    string         `json:"cipher,omitempty"`
	Client    map[string]any `json:"client,omitempty"` // options of the memcached client
	Secrets   []string       `json:"secrets"`
	Session   map[string]any `json:"session,omitempty"`
}

// startNode runs a program of the folder app, and returns the ports that it
// prints as URLs.
func startNode(t testing.TB, program string, config any) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join("app", "node_modules", "express")); err != nil {
		t.Fatal("interop: the Node packages are not installed; run: make test-node")
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", program)
	cmd.Dir = "app"
	cmd.Env = append(os.Environ(), "CONFIG="+string(text), "NODE_ENV=production")
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("interop: %v; Node is installed with: apt-get install nodejs", err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("interop: %s: %v: %s", program, err, said.String())
	}
	var urls []string
	for port := range strings.FieldsSeq(line) {
		urls = append(urls, "http://127.0.0.1:"+port)
	}
	return urls
}

// visitor is a browser. Its cookies do not know ports, as in every browser.
type visitor struct {
	t      testing.TB
	client http.Client
}

func newVisitor(t testing.TB) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, http.Client{Jar: jar, Timeout: patience, Transport: new(http.Transport)}}
}

// answer is what both applications say of a session.
type answer struct {
	ID     string                     `json:"id"`
	Fields map[string]json.RawMessage `json:"fields"`
}

// try sends a request; body is sent as JSON.
func (v *visitor) try(method, url string, body any) (status int, text string, err error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, "", err
		}
		reader = strings.NewReader(string(b))
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, url, reader)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (v *visitor) do(method, url string, body any) answer {
	v.t.Helper()
	status, text, err := v.try(method, url, body)
	var a answer
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, text)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &a)
	}
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func (v *visitor) get(url string) answer { v.t.Helper(); return v.do(http.MethodGet, url, nil) }
func (v *visitor) post(url string, body any) answer {
	v.t.Helper()
	return v.do(http.MethodPost, url, body)
}

// text is the answer of a control address.
func text(t testing.TB, url string) string {
	t.Helper()
	status, text, err := newVisitor(t).try(http.MethodGet, url, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s %v", url, status, text, err)
	}
	return text
}

func eventually(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	start, most := time.Now(), timeleft.Within(t, patience)
	for !ok() {
		if time.Since(start) > most {
			t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}
