// Package jsonvalue encodes the values of a session as JavaScript's JSON.stringify
// does: it escapes nothing that JSON does not require. A JavaScript program that
// shares a session, and saves it, then leaves the bytes as they are, and setting a
// value that such a program wrote is no change.
package jsonvalue

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Codec is JSON as JavaScript writes it. The zero Codec encodes values of any type and
// does not check that they come back; [For] returns one that does.
type Codec struct {
	again func(data []byte) ([]byte, error) // decodes and encodes once more; nil: nothing is checked
	each  bool                              // values of the type may not come back, so that each one is checked
	drops error                             // why no value of the type comes back; nil: those of most types do
}

// For returns the Codec of values of type T. Its Encode fails for a value that Decode
// does not bring back: a string that is not UTF-8, as a value or as the key of a map, an
// interface with methods, an integer in an interface that no float64 holds, a type that
// encodes itself and does not decode itself, and an embedded pointer to a struct whose
// name is not exported. It fails for every value of a type that has fields of one name, of
// two embedded structs for example, which encoding/json leaves out. For looks at the type
// once, so that Encode does not.
func For[T any]() Codec {
	t := reflect.TypeFor[T]()
	return Codec{again: encodedAgain[T], each: mayChange(t), drops: droppedField(t)}
}

// Encode returns v as JSON. Its errors are those of [json.Marshal], and for a Codec of
// [For] also [ErrChanged], the error of decoding what was encoded, or one that names the
// field which encoding/json leaves out.
func (c Codec) Encode(v any) ([]byte, error) {
	if c.drops != nil {
		return nil, c.drops
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if c.again != nil && (c.each || bytes.Contains(b, []byte(`\ufffd`))) {
		if err := c.check(b); err != nil {
			return nil, err
		}
	}
	return unescape(b), nil
}

// Decode sets what v points to. It reads what [json.Unmarshal] reads, with the
// same result and the same errors. A string without escapes costs one
// allocation.
func (Codec) Decode(data []byte, v any) error {
	if s, ok := v.(*string); ok && plain(data) {
		*s = string(data[1 : len(data)-1])
		return nil
	}
	return json.Unmarshal(data, v)
}

// plain reports whether data is a JSON string whose text stands between its
// quotes as it is.
func plain(data []byte) bool {
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' {
		return false
	}
	for _, c := range data[1 : len(data)-1] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// unescape replaces in place the escapes that encoding/json writes for the sake
// of HTML and JavaScript, and for bytes that are not UTF-8.
func unescape(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u`)) {
		return b
	}
	// In JSON a backslash begins an escape, unless it ends one: so the loop passes
	// over whole escapes, from the first one on.
	i := bytes.IndexByte(b, '\\')
	out := b[:i]
	for i < len(b) {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
			i++
		case b[i+1] != 'u':
			out = append(out, b[i], b[i+1])
			i += 2
		default:
			out = appendUnescaped(out, b[i:i+6])
			i += 6
		}
	}
	return out
}

// appendUnescaped appends the character that an escape of six bytes stands for,
// or the escape where JSON needs it.
func appendUnescaped(out, escape []byte) []byte {
	switch string(escape) {
	case `\u003c`:
		return append(out, '<')
	case `\u003e`:
		return append(out, '>')
	case `\u0026`:
		return append(out, '&')
	case `\u2028`:
		return append(out, "\u2028"...)
	case `\u2029`:
		return append(out, "\u2029"...)
	case `\ufffd`:
		return append(out, "\ufffd"...)
	}
	return append(out, escape...)
}
