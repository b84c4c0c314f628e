package script

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/holdfast-go/session/node/internal/js"
)

// Value is an Undefined, nil for null, a bool, a float64, a string, an
// *Object, an *Array or a Func.
type Value any

// Undefined is the value undefined.
type Undefined struct{}

// Func is a function.
type Func func(args ...Value) Value

// Array is an array.
type Array struct{ Items []Value }

// Thrown is what throw panics with.
type Thrown struct{ Value Value }

// Error returns the message.
func (t Thrown) Error() string { return Text(t.Value) }

// Object is an object. The hooks, where they are set and return true, stand in
// for its own properties.
type Object struct {
	Hidden map[string]Value // not enumerable, as methods are
	Get    func(name string) (Value, bool)
	Set    func(name string, v Value) bool
	Delete func(name string) bool
	Frozen bool

	names []string
	props map[string]Value
}

// NewObject returns an object with hidden properties.
func NewObject(hidden map[string]Value) *Object { return &Object{Hidden: hidden} }

// Names returns the enumerable names in JavaScript's order.
func (o *Object) Names() []string {
	names := slices.Clone(o.names)
	slices.SortStableFunc(names, func(a, b string) int {
		i, aIndex := index(a)
		j, bIndex := index(b)
		switch {
		case aIndex && bIndex:
			return cmp.Compare(i, j)
		case aIndex:
			return -1
		case bIndex:
			return 1
		}
		return 0
	})
	return names
}

func index(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return n, err == nil && n < math.MaxUint32 && strconv.FormatUint(n, 10) == s
}

// Own returns an enumerable property.
func (o *Object) Own(name string) (Value, bool) {
	v, ok := o.props[name]
	return v, ok
}

// Put sets an enumerable property, whatever the hooks say.
func (o *Object) Put(name string, v Value) {
	if o.props == nil {
		o.props = make(map[string]Value)
	}
	if _, ok := o.props[name]; !ok {
		o.names = append(o.names, name)
	}
	o.props[name] = v
}

// Remove deletes an enumerable property.
func (o *Object) Remove(name string) {
	if _, ok := o.props[name]; ok {
		delete(o.props, name)
		o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
	}
}

// Throw throws an Error with a message.
func Throw(message string) {
	e := NewObject(map[string]Value{"message": message, "name": "Error"})
	panic(Thrown{e})
}

// Member returns v[name].
func Member(v Value, name string) Value {
	switch v := v.(type) {
	case *Object:
		if v.Get != nil {
			if got, ok := v.Get(name); ok {
				return got
			}
		}
		if got, ok := v.props[name]; ok {
			return got
		}
		if got, ok := v.Hidden[name]; ok {
			return got
		}
		return Undefined{}
	case *Array:
		return arrayMember(v, name)
	case string:
		return stringMember(v, name)
	case float64:
		if name == "toString" {
			return Func(func(...Value) Value { return Text(v) })
		}
		return Undefined{}
	case nil, Undefined:
		Throw("Cannot read properties of " + Text(v) + " (reading '" + name + "')")
	case Func:
		if name == "name" {
			return ""
		}
	}
	return Undefined{}
}

// SetMember is v[name] = to.
func SetMember(v Value, name string, to Value) {
	switch v := v.(type) {
	case *Object:
		if v.Set != nil && v.Set(name, to) {
			return
		}
		if !v.Frozen {
			v.Put(name, to)
		}
	case *Array:
		if i, ok := index(name); ok && i < 1<<16 {
			for uint64(len(v.Items)) <= i {
				v.Items = append(v.Items, Undefined{})
			}
			v.Items[i] = to
		}
	case nil, Undefined:
		Throw("Cannot set properties of " + Text(v) + " (setting '" + name + "')")
	}
}

func deleteMember(v Value, name string) {
	if o, ok := v.(*Object); ok {
		if o.Delete != nil && o.Delete(name) || o.Frozen {
			return
		}
		o.Remove(name)
	}
}

// Truthy reports whether v counts as true.
func Truthy(v Value) bool {
	switch v := v.(type) {
	case nil, Undefined:
		return false
	case bool:
		return v
	case float64:
		return v != 0 && !math.IsNaN(v)
	case string:
		return v != ""
	}
	return true
}

// Nullish reports whether v is null or undefined.
func Nullish(v Value) bool {
	_, undefined := v.(Undefined)
	return v == nil || undefined
}

// Text is String(v).
func Text(v Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case Undefined:
		return "undefined"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return js.FormatText(v)
	case string:
		return v
	case *Array:
		parts := make([]string, len(v.Items))
		for i, item := range v.Items {
			if !Nullish(item) {
				parts[i] = Text(item)
			}
		}
		return strings.Join(parts, ",")
	case *Object:
		if m, ok := Member(v, "message").(string); ok {
			return Text(Member(v, "name")) + ": " + m
		}
		return "[object Object]"
	}
	return "function"
}

// ToNumber is Number(v).
func ToNumber(v Value) float64 {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case string:
		s := strings.TrimSpace(v)
		if s == "" {
			return 0
		}
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return n
		}
	case *Object:
		if f, ok := Member(v, "valueOf").(Func); ok {
			return ToNumber(f())
		}
	}
	return math.NaN()
}

// Of returns the value that JSON text has.
func Of(text []byte) Value {
	v, err := parseJSON(text)
	if err != nil {
		Throw(err.Error())
	}
	return v
}

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }
