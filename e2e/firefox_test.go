package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

const firefoxCommand = "firefox-esr"

// firefox is a new Firefox. It is driven by its own protocol, Marionette: JSON arrays behind
// their length.
type firefox struct {
	t    *testing.T
	mu   sync.Mutex
	conn net.Conn
	from *bufio.Reader
	last int // command
}

// firefoxTab is one tab of it.
type firefoxTab struct {
	*firefox
	handle string
}

func openFirefox(t *testing.T) window {
	t.Helper()
	dir := openDir(t)
	t.Setenv("HOME", dir)
	p := daemon.Program{
		Command: firefoxCommand, Install: "apt-get install firefox-esr", Ports: 1, Family: true,
		Args: func(ports []int) []string {
			prefs := fmt.Sprintf("user_pref(\"marionette.port\", %d);\nuser_pref(\"app.update.disabledForTesting\", true);\n"+
				"user_pref(\"browser.shell.checkDefaultBrowser\", false);\nuser_pref(\"datareporting.policy.dataSubmissionEnabled\", false);\n", ports[0])
			if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(prefs), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"--headless", "--marionette", "--no-remote", "--profile", dir}
		},
		Answers: func(ports []int, _ int) bool {
			c, err := net.Dial("tcp", daemon.Addr(ports[0]))
			if err == nil {
				c.Close()
			}
			return err == nil
		},
	}
	conn, err := net.Dial("tcp", daemon.Addr(daemon.Start(t, p).Ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &firefox{t: t, conn: conn, from: bufio.NewReader(conn)}
	f.deadline()
	if hello, err := f.read(); err != nil || !strings.Contains(string(hello), `"marionetteProtocol":3`) {
		t.Fatalf("Firefox says %q: %v", hello, err)
	}
	f.must("WebDriver:NewSession", map[string]any{})
	return &firefoxTab{f, f.must("WebDriver:GetWindowHandle", nil)}
}

func (f *firefox) deadline() {
	if err := f.conn.SetDeadline(time.Now().Add(timeleft.Within(f.t, patience))); err != nil {
		f.t.Fatal(err)
	}
}

// read returns the next message.
func (f *firefox) read() (json.RawMessage, error) {
	size, err := f.from.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil {
		return nil, err
	}
	message := make([]byte, n)
	_, err = io.ReadFull(f.from, message)
	return message, err
}

// sendLocked carries out a command, and returns its value where that is text.
func (f *firefox) sendLocked(command string, parameters any) (string, error) {
	f.last++
	message, err := json.Marshal([]any{0, f.last, command, parameters})
	if err != nil {
		return "", err
	}
	f.deadline()
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(message), message); err != nil {
		return "", err
	}
	reply, err := f.read()
	if err != nil {
		return "", err
	}
	var parts [4]json.RawMessage // 1, the number of the command, an error, a result
	if err := json.Unmarshal(reply, &parts); err != nil {
		return "", err
	}
	if string(parts[2]) != "null" {
		return "", fmt.Errorf("%s: %.500s", command, parts[2])
	}
	var result struct{ Value, Handle any }
	if !strings.HasPrefix(string(parts[3]), "{") {
		return "", nil // a list, of a command whose result is of no interest
	}
	if err := json.Unmarshal(parts[3], &result); err != nil {
		return "", err
	}
	for _, v := range []any{result.Value, result.Handle} {
		if text, ok := v.(string); ok {
			return text, nil
		}
	}
	return "", nil
}

func (f *firefox) must(command string, parameters any) string {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.sendLocked(command, parameters)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// do carries out a command in the tab.
func (w *firefoxTab) do(command string, parameters any) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.sendLocked("WebDriver:SwitchToWindow", map[string]any{"handle": w.handle, "focus": true}); err != nil {
		return "", err
	}
	return w.sendLocked(command, parameters)
}

func (w *firefoxTab) mustDo(command string, parameters any) {
	w.t.Helper()
	if _, err := w.do(command, parameters); err != nil {
		w.t.Fatal(err)
	}
}

func (w *firefoxTab) open(url string) {
	w.t.Helper()
	w.mustDo("WebDriver:Navigate", map[string]any{"url": url})
}

func (w *firefoxTab) reload() { w.t.Helper(); w.mustDo("WebDriver:Refresh", nil) }
func (w *firefoxTab) back()   { w.t.Helper(); w.mustDo("WebDriver:Back", nil) }

func (w *firefoxTab) value(expression string) (string, error) {
	return w.do("WebDriver:ExecuteScript", map[string]any{"script": "return " + expression, "args": []any{}})
}

func (w *firefoxTab) tab() window {
	w.t.Helper()
	return &firefoxTab{w.firefox, w.must("WebDriver:NewWindow", map[string]any{"type": "tab"})}
}
