package freshness

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// names are what a repository has that its texts may name.
type names struct {
	root     string
	files    map[string]bool            // files and folders, by their slash-separated paths
	packages map[string]map[string]bool // the top-level names of each package, by the package's name
	members  map[string]map[string]bool // fields, methods and embedded types of each type, by the type's name
	tests    map[string]bool            // functions that go test runs
	targets  map[string]bool            // of the Makefile
	comments []text
}

// text is a paragraph of a comment or of a document.
type text struct {
	file string // its path
	line int
	body string
}

var skipped = []string{".git", ".tools", "node_modules"}

// collect reads a repository.
func collect(root string) (*names, error) {
	n := &names{
		root: root, files: map[string]bool{}, packages: map[string]map[string]bool{},
		members: map[string]map[string]bool{}, tests: map[string]bool{}, targets: map[string]bool{},
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		n.files[rel] = true
		if d.IsDir() && slices.Contains(skipped, d.Name()) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(rel, ".go") && !strings.Contains(rel, "testdata/") {
			return n.parse(rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return n, n.readTargets()
}

var target = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)

func (n *names) readTargets() error {
	makefile, err := os.ReadFile(filepath.Join(n.root, "Makefile"))
	if os.IsNotExist(err) {
		return nil
	}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		n.targets[m[1]] = true
	}
	return err
}

var testName = regexp.MustCompile(`^(Test|Benchmark|Example|Fuzz)`)

// parse reads a Go file: what it declares, and its comments.
func (n *names) parse(file string) error {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, filepath.Join(n.root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	pkg := strings.TrimSuffix(f.Name.Name, "_test")
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			n.declareFunc(pkg, d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				n.declare(pkg, s)
			}
		}
	}
	for _, c := range f.Comments {
		n.addParagraphs(file, set.Position(c.Pos()).Line, c.Text())
	}
	return nil
}

var indented = regexp.MustCompile(`(?m)^[\t ].*$`)

// addParagraphs adds a comment without its blocks of code, which are indented.
func (n *names) addParagraphs(file string, line int, comment string) {
	comment = indented.ReplaceAllString(comment, "")
	for p := range strings.SplitSeq(comment, "\n\n") {
		n.comments = append(n.comments, text{file, line, p})
		line += strings.Count(p, "\n") + 2
	}
}

func (n *names) declareFunc(pkg string, d *ast.FuncDecl) {
	switch {
	case d.Recv != nil:
		add(n.members, typeName(d.Recv.List[0].Type), d.Name.Name)
	case testName.MatchString(d.Name.Name):
		n.tests[d.Name.Name] = true
	default:
		add(n.packages, pkg, d.Name.Name)
	}
}

func (n *names) declare(pkg string, s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			add(n.packages, pkg, id.Name)
		}
	case *ast.TypeSpec:
		add(n.packages, pkg, s.Name.Name)
		add(n.members, s.Name.Name, "")
		ast.Inspect(s.Type, func(x ast.Node) bool {
			field, ok := x.(*ast.Field)
			if !ok {
				return true
			}
			for _, id := range field.Names {
				add(n.members, s.Name.Name, id.Name)
			}
			if len(field.Names) == 0 {
				add(n.members, s.Name.Name, typeName(field.Type))
			}
			return true
		})
		if to, ok := s.Type.(*ast.SelectorExpr); ok { // it has the members of another
			add(n.members, s.Name.Name, to.Sel.Name)
		}
	}
}

func add(to map[string]map[string]bool, key, name string) {
	if to[key] == nil {
		to[key] = map[string]bool{}
	}
	to[key][name] = true
}

// typeName returns the name of a type without its package, pointer and parameters.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	}
	return ""
}

// hasMember reports whether a type of that name, or one that it embeds, has the member.
func (n *names) hasMember(of, member string, depth int) bool {
	if n.members[of][member] {
		return true
	}
	for embedded := range n.members[of] {
		if depth > 0 && embedded != of && n.members[embedded] != nil && n.hasMember(embedded, member, depth-1) {
			return true
		}
	}
	return false
}

// hasFile reports whether there is a file or folder of that path, as it stands in a
// file of folder dir: from there or from the root.
func (n *names) hasFile(dir, name string) bool {
	return n.files[path.Clean(name)] || n.files[path.Join(dir, name)]
}

// topFolder reports whether a folder of the root has that name.
func (n *names) topFolder(name string) bool {
	return n.files[name] && !strings.Contains(name, ".")
}
