package apiuse

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// loader type-checks the packages below dir from their source, and takes the
// standard library as it was compiled. Everything else is an empty package: what
// the repository requires need not be there.
type loader struct {
	dir     string
	module  string // its path
	fset    *token.FileSet
	std     types.Importer
	checked map[string]*source // by import path

	libraries map[string]*types.Package // that others import, by their folders
}

func newLoader(dir string) (*loader, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("apiuse: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	l := &loader{
		dir:     dir,
		module:  strings.TrimSpace(strings.TrimPrefix(line, "module ")),
		fset:    token.NewFileSet(),
		checked: make(map[string]*source),

		libraries: make(map[string]*types.Package),
	}
	exports, err := compiled(dir)
	if err != nil {
		return nil, err
	}
	l.std = importer.ForCompiler(l.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	return l, nil
}

// compiled returns the files with what each package of the standard library
// exports, by its path.
func compiled(dir string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-export", "-f", "{{.ImportPath}} {{.Export}}", "std")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("apiuse: go list: %w\n%s", err, stderr.String())
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return exports, nil
}

// Import returns the package with this path.
func (l *loader) Import(name string) (*types.Package, error) {
	below, own := strings.CutPrefix(name+"/", l.module+"/")
	dir := filepath.Join(l.dir, filepath.FromSlash(below))
	first, _, _ := strings.Cut(name, "/")
	switch {
	case own && isDir(dir):
		s, err := l.check(dir, name)
		if err != nil {
			return nil, err
		}
		return s.types, nil
	case !own && !strings.Contains(first, "."):
		return l.std.Import(name)
	}
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// check returns the package in dir without its tests.
func (l *loader) check(dir, name string) (*source, error) {
	if s := l.checked[name]; s != nil {
		return s, nil
	}
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, fmt.Errorf("apiuse: %w", err)
	}
	s, err := l.checkFiles(dir, name, p.GoFiles)
	if err != nil {
		return nil, err
	}
	l.checked[name] = s
	return s, nil
}

// checkFiles type-checks as much as it can: whatever it does not find a type for
// is no use of anything.
func (l *loader) checkFiles(dir, name string, files []string) (*source, error) {
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(l.fset, filepath.Join(dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("apiuse: %w", err)
		}
		parsed = append(parsed, f)
	}
	s := &source{info: newInfo()}
	config := types.Config{Importer: l, Error: func(error) {}}
	s.types, _ = config.Check(name, l.fset, parsed, s.info)
	return s, nil
}

// users returns the packages that may use others, and the examples of all. It notes the
// libraries among them.
func (l *loader) users() ([]*source, error) {
	var all []*source
	err := filepath.WalkDir(l.dir, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		below, err := filepath.Rel(l.dir, dir)
		if err != nil {
			return err
		}
		if below != "." && ignored(below) {
			return filepath.SkipDir
		}
		found, err := l.usersIn(dir, filepath.ToSlash(below))
		all = append(all, found...)
		return err
	})
	return all, err
}

// private reports whether the folder is for a module of its own, or shows how others are used.
func private(below string) bool {
	parts := strings.Split(below, "/")
	return slices.Contains(parts, "internal") || slices.Contains([]string{"examples", "bench", "e2e"}, parts[0])
}

// ignored reports whether the folder is no place where a user stands.
func ignored(below string) bool {
	base := filepath.Base(below)
	return below == "internal" || base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".")
}

func (l *loader) usersIn(dir, below string) ([]*source, error) {
	name := path.Join(l.module, below)
	p, err := build.ImportDir(dir, 0)
	if none := (*build.NoGoError)(nil); errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("apiuse: %w", err)
	}
	var all []*source
	if len(p.GoFiles) > 0 {
		s, err := l.check(dir, name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if p.Name != "main" && !private(below) {
			l.libraries[below] = s.types
		}
	}
	var examples []string
	for _, file := range p.XTestGoFiles {
		if strings.HasSuffix(file, "example_test.go") {
			examples = append(examples, file)
		}
	}
	if len(examples) > 0 {
		s, err := l.checkFiles(dir, name+"_test", examples)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
