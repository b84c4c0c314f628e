package host

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Machine names the processors, the operating system and the load of the machine.
func Machine() string {
	processor := runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo")
	if m := regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`).FindSubmatch(info); m != nil {
		processor = string(m[1])
	}
	text := fmt.Sprintf("%d × %s, %s", runtime.NumCPU(), processor, runtime.GOOS)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += ", load " + strings.Fields(string(load))[0] + " before the run"
	}
	return text
}

// Module returns the version of a module that the program is built with.
func Module(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "of an unknown version"
}

// Node returns the versions of Node and of what the package.json in dir depends on.
func Node(ctx context.Context, dir string) (all []string) {
	if out, err := exec.CommandContext(ctx, "node", "--version").Output(); err == nil {
		all = append(all, "Node "+strings.TrimSpace(string(out)))
	}
	var pkg struct{ Dependencies map[string]string }
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err == nil {
		err = json.Unmarshal(text, &pkg)
	}
	if err != nil {
		return append(all, "packages unknown: "+err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(pkg.Dependencies)) {
		all = append(all, name+" "+pkg.Dependencies[name])
	}
	return all
}

// Commit returns what is checked out, and says so where files are changed. Changes of
// the files written, which are named from the top of the repository, do not count.
func Commit(ctx context.Context, written ...string) string {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks"}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	head, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	args := []string{"status", "--porcelain", "--", ":/"}
	for _, file := range written {
		args = append(args, ":(top,exclude)"+file)
	}
	if changes, err := git(args...); err != nil || changes != "" {
		return head + ", with changes that are not committed"
	}
	return head
}
