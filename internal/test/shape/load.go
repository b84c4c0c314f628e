package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A source is a package that was parsed and type-checked, without its tests.
type source struct {
	path    string // its import path
	root    bool   // it is the package at the module's root
	product bool   // it is under internal/ and no test support
	fset    *token.FileSet
	files   []*ast.File
	texts   map[string][]byte // by file name
	types   *types.Package
	info    *types.Info
}

// listed is what "go list" tells of a package.
type listed struct {
	ImportPath string
	Dir        string
	Export     string
	GoFiles    []string
	DepOnly    bool
	Module     *struct{ Path string }
}

// load returns the packages of the module in dir, by path. A package that has
// nothing but tests is left out.
func load(dir string) ([]source, error) {
	packages, err := list(dir)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})

	slices.SortFunc(packages, func(a, b listed) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	var sources []source
	for _, p := range packages {
		if p.DepOnly || len(p.GoFiles) == 0 {
			continue
		}
		s, err := check(p, fset, imports)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return sources, nil
}

func list(dir string) ([]listed, error) {
	// A workspace's other modules are not this module's business.
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly,Module", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("shape: go list: %w\n%s", err, stderr.String())
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("shape: go list: %w", err)
		}
		packages = append(packages, p)
	}
}

func check(p listed, fset *token.FileSet, imports types.Importer) (source, error) {
	below := strings.TrimPrefix(p.ImportPath, p.Module.Path)
	s := source{
		path:    p.ImportPath,
		root:    below == "",
		product: strings.HasPrefix(below, "/internal/") && !strings.HasPrefix(below, "/internal/test/"),
		fset:    fset,
		texts:   make(map[string][]byte),
		info: &types.Info{
			Uses:       make(map[*ast.Ident]types.Object),
			Selections: make(map[*ast.SelectorExpr]*types.Selection),
		},
	}
	for _, name := range p.GoFiles {
		name = filepath.Join(p.Dir, name)
		text, err := os.ReadFile(name)
		if err != nil {
			return source{}, fmt.Errorf("shape: %w", err)
		}
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return source{}, fmt.Errorf("shape: %w", err)
		}
		s.files = append(s.files, file)
		s.texts[name] = text
	}
	config := types.Config{Importer: imports}
	checked, err := config.Check(p.ImportPath, fset, s.files, s.info)
	if err != nil {
		return source{}, fmt.Errorf("shape: %w", err)
	}
	s.types = checked
	return s, nil
}
