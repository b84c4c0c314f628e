// Package apiuse finds the exported names of a package that no code outside of it
// uses: neither an application, a store or a tool of the same repository, nor an
// example. Such a name has never been read where a user stands.
package apiuse

import (
	"go/ast"
	"go/types"
	"maps"
	"slices"
)

// wellKnown are methods that the standard library calls. The code that relies on
// them does not name them.
var wellKnown = map[string]bool{
	"Error": true, "Unwrap": true, "String": true, "Format": true, "LogValue": true,
	"MarshalText": true, "UnmarshalText": true, "MarshalJSON": true, "UnmarshalJSON": true,
	"ServeHTTP": true,
}

// Unused returns the exported names that have no use, in order and by package: of the
// module in dir, and of the modules nested in it. The packages are named by their
// folders, the one in dir by ".". They are all but those that are internal, tests,
// examples or commands. Names are those of functions, types, constants and variables,
// and of exported types the methods and fields, as Type.Name. The methods of an
// interface are not listed: a type that implements the interface has all of them. Nor
// are methods by which a type implements an interface of another package below dir:
// that package calls them.
//
// A use is one in another package below dir that is neither internal nor a test, or in
// a file whose name ends in example_test.go. Packages of other repositories are not
// read; what is known only by their types is no use. A type is used where an
// expression has it, and an interface also where a type implements it.
func Unused(dir string) (map[string][]string, error) {
	l, err := newLoader(dir)
	if err != nil {
		return nil, err
	}
	sources, err := l.users()
	if err != nil {
		return nil, err
	}
	unused := make(map[string][]string)
	for folder, p := range l.libraries {
		names := exported(p)
		for _, s := range sources {
			if s.types != p {
				s.dropImplementing(p, names)
			}
		}
		for _, s := range sources {
			if s.types == p {
				continue
			}
			for o := range s.uses(p) {
				delete(names, o)
			}
		}
		if len(names) > 0 {
			unused[folder] = slices.Sorted(maps.Values(names))
		}
	}
	return unused, nil
}

// exported returns what is declared in p for others, with the name of each.
func exported(p *types.Package) map[types.Object]string {
	names := make(map[types.Object]string)
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		names[o] = name
		t, ok := o.(*types.TypeName)
		if !ok {
			continue
		}
		for _, member := range members(t) {
			if member.Exported() && !wellKnown[member.Name()] {
				names[member] = name + "." + member.Name()
			}
		}
	}
	return names
}

// dropImplementing removes from names the methods by which types of p implement an
// interface of s.
func (s *source) dropImplementing(p *types.Package, names map[types.Object]string) {
	for _, name := range p.Scope().Names() {
		t, ok := p.Scope().Lookup(name).(*types.TypeName)
		if !ok || types.IsInterface(t.Type()) {
			continue
		}
		for _, o := range implemented(t.Type(), s.types) {
			for m := range o.Type().Underlying().(*types.Interface).Methods() {
				own, _, _ := types.LookupFieldOrMethod(types.NewPointer(t.Type()), true, p, m.Name())
				delete(names, own)
			}
		}
	}
}

// members returns the fields of t where it is a struct, and its methods.
func members(t *types.TypeName) []types.Object {
	var all []types.Object
	if s, ok := t.Type().Underlying().(*types.Struct); ok {
		for f := range s.Fields() {
			all = append(all, f)
		}
	}
	if n, ok := t.Type().(*types.Named); ok {
		for m := range n.Methods() {
			all = append(all, m)
		}
	}
	return all
}

// uses returns the declarations of p that s uses.
func (s *source) uses(p *types.Package) map[types.Object]bool {
	used := make(map[types.Object]bool)
	for _, o := range s.info.Uses {
		if o.Pkg() == p {
			used[origin(o)] = true
		}
	}
	for _, v := range s.info.Types {
		if name := named(v.Type); name != nil && name.Pkg() == p {
			used[name] = true
		}
	}
	for _, o := range s.info.Defs {
		if t, ok := o.(*types.TypeName); ok {
			for _, i := range implemented(t.Type(), p) {
				used[i] = true
			}
		}
	}
	return used
}

// origin returns the declaration of o, which may belong to an instance of a
// generic type.
func origin(o types.Object) types.Object {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return o
}

// named returns the name of t, or of what t points to; nil where it has none.
func named(t types.Type) *types.TypeName {
	if t == nil {
		return nil
	}
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return n.Obj()
	}
	return nil
}

// implemented returns the interfaces of p that t, or a pointer to it, has the
// methods of.
func implemented(t types.Type, p *types.Package) []types.Object {
	var all []types.Object
	for _, name := range p.Scope().Names() {
		o, ok := p.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		i, ok := o.Type().Underlying().(*types.Interface)
		if ok && i.NumMethods() > 0 && types.Implements(types.NewPointer(t), i) {
			all = append(all, o)
		}
	}
	return all
}

// source is a package that was type-checked.
type source struct {
	types *types.Package
	info  *types.Info
}

func newInfo() *types.Info {
	return &types.Info{
		Defs:  make(map[*ast.Ident]types.Object),
		Uses:  make(map[*ast.Ident]types.Object),
		Types: make(map[ast.Expr]types.TypeAndValue),
	}
}
