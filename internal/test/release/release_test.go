// Package release tests scripts/release: what makes a version.
package release

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

// copied returns a copy of the repository's files that the command is built from and the
// script reads.
func copied(t *testing.T) (dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("the nested modules are not here, as in the module's zip: make test runs it in the repository")
	}
	dir = t.TempDir()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && to != "."
		if d.IsDir() {
			if hidden || slices.Contains([]string{"node_modules", "docs", "dist"}, d.Name()) {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, to), 0o755)
		}
		if !d.Type().IsRegular() || hidden {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, to), b, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func script(dir string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(dir, "scripts", "release"), args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestAVersionNeedsItsHeadingInTheChangelog(t *testing.T) {
	dir := copied(t)
	for _, test := range []struct{ version, want string }{
		{"v7.0.0", "from v2 on the import path has to change"},
		{"0.9.0", "want one like v0.3.0"},
		{"v0.9", "want one like v0.3.0"},
		{"v0.09.0", "want one like v0.3.0"},
		{"v0.9.0", "CHANGELOG.md has no heading"},
	} {
		if out, err := script(dir, "prepare", test.version); err == nil || !strings.Contains(out, test.want) {
			t.Errorf("%s: got %q, %v, want %q", test.version, out, err, test.want)
		}
	}
}

func TestAVersionIsThatOfAllModules(t *testing.T) {
	dir := copied(t)
	changelog := filepath.Join(dir, "CHANGELOG.md")
	text, err := os.ReadFile(changelog)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("## [Unreleased]\n"), []byte("## [Unreleased]\n\n## [0.9.0] - 2031-01-02\n"), 1)
	if err := os.WriteFile(changelog, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := script(dir, "prepare", "v0.9.0"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mods, err := filepath.Glob(filepath.Join(dir, "*", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	own := regexp.MustCompile(`(?m)^(?:require )?\t?github\.com/holdfast-go/session\S* (v\S+)`)
	found := 0
	for _, mod := range append(mods, filepath.Join(dir, "cmd", "holdfast", "go.mod")) {
		text, err := os.ReadFile(mod)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range own.FindAllStringSubmatch(string(text), -1) {
			if found++; m[1] != "v0.9.0" {
				t.Errorf("%s requires %s", mod, m[0])
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d requirements of the repository's own modules were found", found)
	}
	out, err := script(dir, "tags", "v0.9.0")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tags := strings.Fields(out)
	for _, want := range []string{"v0.9.0", "redisstore/v0.9.0", "cmd/holdfast/v0.9.0", "override/zookeeper/v0.9.0"} {
		if !slices.Contains(tags, want) {
			t.Errorf("the tag %s is missing in %q", want, tags)
		}
	}
	for _, tag := range tags {
		if tag == "lab/v0.9.0" || strings.HasPrefix(tag, "internal/") {
			t.Errorf("%s is a tag of a module that nobody imports", tag)
		}
	}
}

// Anyone with the source can find out whether a program was built from it.
func TestTheCommandIsTheSameWhenItIsBuiltElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command twice: make test does, make race RACE=-short and make modules do not")
	}
	build := func(repository string) []byte {
		t.Helper()
		to := filepath.Join(t.TempDir(), "holdfast")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-buildid=", "-o", to, ".")
		cmd.Dir = filepath.Join(repository, "cmd", "holdfast")
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	elsewhere := copied(t)
	if !bytes.Equal(build(root), build(elsewhere)) {
		t.Error("the command differs when it is built at another path")
	}
}
