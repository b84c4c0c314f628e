package session_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Adding the core to an application must force no upgrade on it: one module
// for all stores would have moved an application from go-redis 9.5 to 9.12.
func TestTheRootModuleRequiresNothing(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mod), "require") {
		t.Errorf("go.mod requires something:\n%s", mod)
	}
	if _, err := os.Stat("go.sum"); err == nil {
		t.Error("there is a go.sum")
	}

	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	app := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(app, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module app.test\n\ngo 1.25.0\n\nrequire github.com/holdfast-go/session v0.0.0\n\nreplace github.com/holdfast-go/session => "+root+"\n")
	write("main.go", "package main\n\nimport _ \"github.com/holdfast-go/session\"\n\nfunc main() {}\n")
	list := exec.Command("go", "list", "-m", "all")
	list.Dir = app
	list.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if modules := strings.Count(strings.TrimSpace(string(out)), "\n") + 1; modules != 2 {
		t.Errorf("an application that imports only the core lists %d modules, want itself and the core:\n%s", modules, out)
	}
}
