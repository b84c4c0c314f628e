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
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("%s is not the root of the module: %v", root, err)
	}
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

// Each module's tag is at the same commit as the version's, and may be the younger one.
func TestTheBillsHaveTheVersionAndNoModulesTag(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(root, "scripts", "release"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "scripts", "release"), text, 0o700); err != nil {
		t.Fatal(err)
	}
	git := func(date string, args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_COMMITTER_DATE="+date,
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.test")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	git("", "init", "-q")
	git("", "add", ".")
	git("2031-01-02T00:00:00Z", "commit", "-q", "-m", "one")
	git("2031-01-02T00:00:01Z", "tag", "-a", "-m", "v0.9.0", "v0.9.0")
	git("2031-01-02T00:00:02Z", "tag", "-a", "-m", "v0.9.0", "cmd/holdfast/v0.9.0")
	git("2031-01-02T00:00:03Z", "tag", "-a", "-m", "v0.9.0", "sqlitestore/v0.9.0")
	if out, err := script(dir, "commit"); err != nil || out != "v0.9.0\n" {
		t.Errorf("got %q, %v, want v0.9.0", out, err)
	}
	git("2031-01-03T00:00:00Z", "commit", "-q", "--allow-empty", "-m", "two")
	if out, err := script(dir, "commit"); err != nil || !strings.HasPrefix(out, "v0.9.0-1-g") {
		t.Errorf("got %q, %v, want v0.9.0-1-g and the hash", out, err)
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
