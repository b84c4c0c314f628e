package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
)

// profiles shows where the processor's time goes for each line that is not met:
// a fresh process of the contestant, which profiles itself.
func (f *field) profiles(ctx context.Context, all []line) (string, error) {
	var b strings.Builder
	done := map[spot]bool{}
	for _, l := range all {
		one := f.runner(l.profile.name)
		if l.met || !l.measured || one == nil || done[l.profile] || one.Node || one.Killed {
			continue
		}
		done[l.profile] = true
		top, err := f.profile(ctx, one, l.profile)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "### %s, `%s`\n\n```\n%s```\n\n", one.Title, routes[l.profile.route].Path, top)
	}
	if b.Len() == 0 {
		return "", nil
	}
	return "## Where the rest goes\n\nProfiles of the server's process, for the lines that are not met. flat is the time in a function itself, cum in all that it calls.\n\n" + b.String(), nil
}

// shown are the functions in the profiles: the server's, the session's, the
// clients', and what they make the runtime and the kernel do.
const shown = `http\.\(\*conn\)\.(serve|readRequest)|finishRequest|ServeMux|holdfast-go/session|rueidis\.\(\*(pipe|singleClient|ring)\)|` +
	`runtime\.(mallocgc|gcBgMarkWorker|schedule|memmove|futex)$|syscall\.(Read|Write)$|json\.(Un)?[mM]arshal$|crypto/|base64`

// profile is the top of the profile of one route, by what the function and all
// that it calls takes.
func (f *field) profile(ctx context.Context, one *runner, at spot) (string, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p, err := start(ctx, one.Contestant, f.stores.addresses(), f.plan.nodeDir, dir)
	if err != nil {
		return "", err
	}
	visitors, err := p.arrive(at.conns, contestant.Usual)
	if err == nil {
		_, err = visitors.Loop(ctx, routes[at.route], min(3*time.Second, 20*f.plan.slice))
		visitors.Leave()
	}
	p.close()
	if err != nil {
		return "", err
	}
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=30", "-show="+shown, path, filepath.Join(dir, "cpu.pprof"))
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+dir)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w", err)
	}
	_, table, ok := strings.Cut(string(out), "      flat ")
	if !ok {
		return "", fmt.Errorf("go tool pprof: no table in %q", out)
	}
	return "      flat " + table, nil
}
