package main

import (
	"go/ast"
	"go/scanner"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// maxBranches is the most branches of a function that is not reported.
const maxBranches = 15

// figures are what was measured of a package.
type figures struct {
	path    string
	root    bool
	product bool
	lines   int            // with code on them
	files   int            // that have no tests
	cycle   []string       // the largest group of files that all depend on each other, sorted
	branchy []function     // over maxBranches, most branches first
	methods map[string]int // by type
}

// Functions are those that are declared, and those that a variable of the package
// holds from the start. A function that is written inside another is part of it.
type function struct {
	name     string
	branches int
}

func measure(s source) figures {
	f := figures{path: s.path, root: s.root, product: s.product, files: len(s.files)}
	for _, text := range s.texts {
		f.lines += codeLines(text)
	}
	f.cycle = largestCycle(dependencies(s))
	for _, file := range s.files {
		for _, fn := range functions(file) {
			if fn.branches > maxBranches {
				f.branchy = append(f.branchy, fn)
			}
		}
	}
	slices.SortStableFunc(f.branchy, func(a, b function) int { return b.branches - a.branches })
	f.methods = methodCounts(s.types)
	return f
}

// codeLines returns how many lines hold something other than a comment. Every
// line of a text between back quotes is one.
func codeLines(text []byte) int {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, text, nil, 0) // comments are skipped
	count, last := 0, 0
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return count
		}
		if tok == token.SEMICOLON && literal == "\n" {
			continue // the scanner's own
		}
		first := file.Line(pos)
		end := first + strings.Count(literal, "\n")
		count += end - max(first, last+1) + 1
		last = end
	}
}

// functions returns the functions of a file with their branches, counted as
// gocyclo does: one, and one more for each if, for, case, && and ||.
func functions(file *ast.File) []function {
	var found []function
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			found = append(found, function{functionName(decl), branches(decl)})
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				values, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, value := range values.Values {
					if literal, ok := value.(*ast.FuncLit); ok {
						found = append(found, function{values.Names[i].Name, branches(literal)})
					}
				}
			}
		}
	}
	return found
}

func branches(n ast.Node) int {
	count := 1
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			count++
		case *ast.CaseClause:
			if n.List != nil { // not the default
				count++
			}
		case *ast.CommClause:
			if n.Comm != nil {
				count++
			}
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				count++
			}
		}
		return true
	})
	return count
}

// functionName returns "Name", or "Type.Name" for a method.
func functionName(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return decl.Name.Name
	}
	receiver := decl.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.Name + "." + decl.Name.Name
		default:
			return decl.Name.Name
		}
	}
}

// methodCounts returns how many methods each type of a package declares.
func methodCounts(p *types.Package) map[string]int {
	counts := make(map[string]int)
	for _, name := range p.Scope().Names() {
		declared, ok := p.Scope().Lookup(name).(*types.TypeName)
		if !ok || declared.IsAlias() {
			continue
		}
		named, ok := declared.Type().(*types.Named)
		if ok && named.NumMethods() > 0 {
			counts[name] = named.NumMethods()
		}
	}
	return counts
}

// dependencies returns for each file of a package the files that declare what
// it uses: names of the package, methods and fields, and the embedded fields
// that a promoted one is reached through.
func dependencies(s source) map[string][]string {
	uses := make(map[string]map[string]bool)
	for name := range s.texts {
		uses[filepath.Base(name)] = make(map[string]bool)
	}
	fileOf := func(pos token.Pos) string { return filepath.Base(s.fset.Position(pos).Filename) }
	use := func(at token.Pos, object types.Object) {
		if object.Pkg() == s.types && object.Pos().IsValid() {
			uses[fileOf(at)][fileOf(object.Pos())] = true
		}
	}
	for ident, object := range s.info.Uses {
		use(ident.Pos(), object)
	}
	for selector, selection := range s.info.Selections {
		for _, field := range embedded(selection) {
			use(selector.Pos(), field)
		}
	}

	graph := make(map[string][]string)
	for file, used := range uses {
		delete(used, file)
		graph[file] = nil
		for other := range used {
			graph[file] = append(graph[file], other)
		}
	}
	return graph
}

// embedded returns the embedded fields on the way to what is selected.
func embedded(s *types.Selection) []types.Object {
	var fields []types.Object
	path := s.Index()
	t := s.Recv()
	for _, index := range path[:len(path)-1] {
		if pointer, ok := t.Underlying().(*types.Pointer); ok {
			t = pointer.Elem()
		}
		structure, ok := t.Underlying().(*types.Struct)
		if !ok {
			return fields
		}
		field := structure.Field(index)
		fields = append(fields, field)
		t = field.Type()
	}
	return fields
}
