package jsonvalue

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is a field that encoding/json may write into the object of a struct.
type field struct {
	name   string
	depth  int  // in how many embedded structs it stands
	tagged bool // its tag names it
}

// droppedField returns an error that names a field of t, or of a type in t, of which
// encoding/json writes none, because the struct has several of its name at one depth.
func droppedField(t reflect.Type) (err error) {
	within(t, map[reflect.Type]bool{}, func(t reflect.Type) bool {
		if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(marshaler) || reflect.PointerTo(t).Implements(textMarshaler) {
			return false
		}
		if name := ambiguous(fieldsOf(t, 0, nil, nil)); name != "" {
			err = fmt.Errorf("session: JSON leaves the field %s of %v out, because it has several of that name at one depth; give one of them "+
				"another name, or json:\"-\" where it need not come back", name, t)
		}
		return err != nil
	})
	return err
}

// fieldsOf appends to fields those of the struct t, and of the structs that it embeds, at a
// depth. around has the structs that embed t.
func fieldsOf(t reflect.Type, depth int, around []reflect.Type, fields []field) []field {
	if slices.Contains(around, t) {
		return fields // they are listed already, less deep
	}
	around = append(around, t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		if f.Anonymous && inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		embeds := f.Anonymous && inner.Kind() == reflect.Struct
		switch {
		case tag == "-", !f.IsExported() && !embeds:
		case embeds && name == "":
			fields = fieldsOf(inner, depth+1, around, fields)
		default:
			fields = append(fields, field{cmp.Or(name, f.Name), depth, name != ""})
		}
	}
	return fields
}

// ambiguous returns the first name that several fields have of which none takes
// precedence: the one that is the least deep, and of those the one with a tag. It is empty
// where there is none.
func ambiguous(fields []field) string {
	for _, f := range fields {
		equals, hidden := 0, false
		for _, g := range fields {
			same := g.name == f.name
			hidden = hidden || same && (g.depth < f.depth || g.depth == f.depth && g.tagged && !f.tagged)
			if same && g.depth == f.depth && g.tagged == f.tagged {
				equals++
			}
		}
		if equals > 1 && !hidden {
			return f.name
		}
	}
	return ""
}
