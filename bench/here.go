package main

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
	"time"
)

// here says where figures come from: the machine, the versions, the commit,
// and how to measure again.
func here(ctx context.Context, s *stores, p plan) string {
	versions := []string{
		runtime.Version(),
		"Redis " + valueAfter(s.redis.Command("INFO", "server"), "redis_version:"),
		"memcached " + strings.TrimPrefix(s.memcached.Command("version\r\n"), "VERSION "),
	}
	for _, m := range []struct{ name, path string }{
		{"rueidis", "github.com/redis/rueidis"},
		{"go-redis", "github.com/redis/go-redis/v9"},
		{"scs", "github.com/alexedwards/scs/v2"},
		{"gorilla/sessions", "github.com/gorilla/sessions"},
		{"redistore", "github.com/boj/redistore"},
		{"fiber", "github.com/gofiber/fiber/v3"},
		{"gomemcache", "github.com/bradfitz/gomemcache"},
	} {
		versions = append(versions, m.name+" "+module(m.path))
	}
	if p.withoutNode() == "" {
		versions = append(versions, nodeVersions(ctx, p.nodeDir)...)
	}
	return fmt.Sprintf("* Machine: %s\n* Versions: %s\n* Commit: %s\n* Date: %s\n* Again: `make bench`",
		machine(), strings.Join(versions, ", "), commit(ctx), time.Now().UTC().Format(time.DateOnly))
}

// valueAfter is what follows name on its line.
func valueAfter(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}

// nodeVersions are those of Node and of what the application depends on.
func nodeVersions(ctx context.Context, dir string) (all []string) {
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

func machine() string {
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

// module is the version of a dependency.
func module(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "of an unknown version"
}

// commit is what was measured. The page itself may differ from it.
func commit(ctx context.Context) string {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks"}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	head, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := git("status", "--porcelain", "--", ":/", ":(top,exclude)docs/BENCHMARKS.md", ":(top,exclude)docs/benchmarks.svg"); err != nil || changes != "" {
		return head + ", with changes that are not committed"
	}
	return head
}
