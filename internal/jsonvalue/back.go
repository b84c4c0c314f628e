package jsonvalue

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
)

// ErrChanged is the error for a value that would come back as another one.
var ErrChanged = errors.New("session: JSON does not bring this value back: a string is not UTF-8 (use []byte), " +
	"or an interface holds what its type does not tell (use a concrete type, or WithCodec)")

// check returns why the value of which data is the JSON does not come back. encoding/json
// writes U+FFFD in place of a byte that is not UTF-8, as an escape; a U+FFFD that stood in
// the string it writes as it is. So a value that was altered encodes differently the
// second time.
func (c Codec) check(data []byte) error {
	again, err := c.again(data)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, again) && !sameJSON(data, again) {
		return ErrChanged
	}
	return nil
}

func encodedAgain[T any](data []byte) ([]byte, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// sameJSON reports whether two texts are the same value: a struct in an interface comes
// back as a map, whose keys are in another order. Numbers are compared as they are
// written. Two texts that differ in the escape of U+FFFD are not the same.
func sameJSON(a, b []byte) bool {
	if bytes.Count(a, []byte(`\ufffd`)) != bytes.Count(b, []byte(`\ufffd`)) {
		return false
	}
	var values [2]any
	for i, text := range [...][]byte{a, b} {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(&values[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

var (
	marshaler       = reflect.TypeFor[json.Marshaler]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// mayChange reports whether a value of t may not come back although all of its text is
// UTF-8: t holds an interface, whose value it does not tell, a type that encodes itself
// and does not decode itself, or an embedded pointer that encoding/json cannot set. A type
// that does both is trusted to be its own inverse.
func mayChange(t reflect.Type) bool {
	return within(t, map[reflect.Type]bool{}, func(t reflect.Type) bool {
		switch pointer := reflect.PointerTo(t); {
		case t.Kind() == reflect.Interface:
			return true
		case pointer.Implements(marshaler):
			return !pointer.Implements(unmarshaler)
		case pointer.Implements(textMarshaler):
			return !pointer.Implements(textUnmarshaler)
		}
		return t.Kind() == reflect.Struct && embedsUnsettable(t)
	})
}

// embedsUnsettable reports whether a struct embeds a pointer that encoding/json cannot set.
func embedsUnsettable(t reflect.Type) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		isUnsettable := f.Anonymous && !f.IsExported() && f.Type.Kind() == reflect.Pointer
		if isUnsettable && f.Tag.Get("json") != "-" {
			return true
		}
	}
	return false
}

// within reports whether found holds for t or for a type that encoding/json takes a value
// of t apart into. seen has the types that it was asked for.
func within(t reflect.Type, seen map[reflect.Type]bool, found func(reflect.Type) bool) bool {
	if seen[t] {
		return false
	}
	if seen[t] = true; found(t) {
		return true
	}
	if pointer := reflect.PointerTo(t); pointer.Implements(marshaler) || pointer.Implements(textMarshaler) {
		return false
	}
	switch t.Kind() {
	case reflect.Map:
		return within(t.Key(), seen, found) || within(t.Elem(), seen, found)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return within(t.Elem(), seen, found)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if encoded := (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"; encoded && within(f.Type, seen, found) {
				return true
			}
		}
	default: // a value without parts
	}
	return false
}
