package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

const pageCommand = "make bench"

// here says where figures come from: the machine, the versions, the commit,
// and how to measure again.
func here(ctx context.Context, server string) string {
	return fmt.Sprintf("* Machine: %s\n* Versions: %s, memcached %s, gomemcache %s\n* Commit: %s\n* Again: `%s`",
		machine(), runtime.Version(), strings.TrimPrefix(server, "VERSION "),
		module("github.com/bradfitz/gomemcache"), commit(ctx), pageCommand)
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
	if changes, err := git("status", "--porcelain", "--", ":/", ":(top,exclude)docs/BENCHMARKS.md"); err != nil || changes != "" {
		return head + ", with changes that are not committed"
	}
	return head
}
