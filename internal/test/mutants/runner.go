package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// runner runs go commands on mutants of the module at root.
type runner struct {
	root  string
	limit time.Duration // of one test command
}

// fate is what became of a mutant.
type fate struct {
	kind fateKind
	by   string // the test that killed it, or what is wrong with the mutation
	took time.Duration
}

type fateKind uint8

const (
	survived fateKind = iota
	killed
	hangs    // its tests do not end, which they would notice
	unusable // it does not apply, does not compile, or the go command fails
)

// passesUnmutated returns an error unless all test commands succeed on the code
// as it is.
func (r runner) passesUnmutated(ctx context.Context, all []mutation) error {
	for _, args := range commands(all) {
		if f := r.test(ctx, args); f.kind != survived {
			return fmt.Errorf("mutants: go test %s does not pass without a mutation: %s", strings.Join(args, " "), f.by)
		}
	}
	return nil
}

// try runs the tests of m on the mutant until one fails.
func (r runner) try(ctx context.Context, m mutation) (f fate) {
	began := time.Now()
	defer func() { f.took = time.Since(began) }()
	overlay, remove, err := r.overlay(m)
	if err != nil {
		return fate{kind: unusable, by: err.Error()}
	}
	defer remove()
	if f := r.build(ctx, m, overlay); f.kind == unusable {
		return f
	}
	for _, args := range m.tests {
		if f := r.test(ctx, args, "-overlay="+overlay); f.kind != survived {
			return f
		}
	}
	return fate{kind: survived}
}

// compile builds the package of the mutated file, and runs nothing.
func (r runner) compile(ctx context.Context, m mutation) fate {
	overlay, remove, err := r.overlay(m)
	if err != nil {
		return fate{kind: unusable, by: err.Error()}
	}
	defer remove()
	return r.build(ctx, m, overlay)
}

func (r runner) build(ctx context.Context, m mutation, overlay string) fate {
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay="+overlay, "-o", os.DevNull, "./"+path.Dir(m.file))
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fate{kind: unusable, by: fmt.Sprintf("does not compile: %v\n%s", err, out)}
	}
	return fate{kind: survived}
}

// overlay writes the mutated file and the description of it that the go command
// reads to temporary files.
func (r runner) overlay(m mutation) (name string, remove func(), err error) {
	text, err := m.mutated(r.root)
	if err != nil {
		return "", nil, err
	}
	original, err := filepath.Abs(filepath.Join(r.root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", nil, fmt.Errorf("mutants: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", nil, fmt.Errorf("mutants: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	name = filepath.Join(dir, "overlay.json")
	mutant := filepath.Join(dir, filepath.Base(original))
	description, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutant}})
	err = errors.Join(err, os.WriteFile(mutant, []byte(text), 0o600), os.WriteFile(name, description, 0o600))
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("mutants: %w", err)
	}
	return name, remove, nil
}

// event is a line of "go test -json".
type event struct {
	Action, Package, Test, Output string
}

// test runs "go test" with args.
func (r runner) test(ctx context.Context, args []string, more ...string) fate {
	// Without vet, which would notice what no test does.
	all := append([]string{"test", "-json", "-vet=off", "-count=1", "-failfast", "-timeout=" + r.limit.String()}, more...)
	cmd := exec.CommandContext(ctx, "go", append(all, args...)...)
	cmd.Dir = r.root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		return fate{kind: survived}
	}
	return fateOf(out, fmt.Sprintf("%v\n%s", err, &stderr))
}

// fateOf reads the output of a test command that failed.
func fateOf(out []byte, failure string) fate {
	var text strings.Builder
	failed, failedPackage := "", ""
	compiles := true
	for lines := bufio.NewReader(bytes.NewReader(out)); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			break
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		text.WriteString(e.Output)
		switch e.Action {
		case "build-fail":
			compiles = false
		case "fail":
			failed = cmp.Or(failed, e.Test)
			failedPackage = cmp.Or(failedPackage, e.Package)
		}
	}
	failed = cmp.Or(failed, failedPackage)
	switch {
	case !compiles:
		return fate{kind: unusable, by: "a test does not compile with it:\n" + text.String()}
	case failed == "":
		return fate{kind: unusable, by: "go test: " + failure + text.String()}
	case strings.Contains(text.String(), "panic: test timed out after"):
		return fate{kind: hangs, by: running(text.String(), failed)}
	}
	return fate{kind: killed, by: failed}
}

// running returns the test that ran when the time limit was reached, or
// otherwise.
func running(text, otherwise string) string {
	_, tests, _ := strings.Cut(text, "running tests:\n")
	if test, _, ok := strings.Cut(tests, " ("); ok {
		return strings.TrimSpace(test)
	}
	return otherwise
}
