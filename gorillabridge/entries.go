package gorillabridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-go/session/internal/anyvalue"
)

// entries are the values of a gorilla session: an encoded value under each encoded
// key. Keys are nearly always strings, and may be any comparable type.
type entries map[string]string

// encode returns the entries for values.
func encode(values map[any]any) (entries, error) {
	e := make(entries, len(values))
	for k, v := range values {
		name, err := anyvalue.Encode(k)
		if err != nil {
			return nil, fmt.Errorf("gorillabridge: a key of type %T: %w", k, err)
		}
		value, err := anyvalue.Encode(v)
		if err != nil {
			return nil, fmt.Errorf("gorillabridge: the value of key %v: %w", k, err)
		}
		e[string(name)] = string(value)
	}
	return e, nil
}

// decode adds the values of e to values. Where some do not decode, it returns the
// first error and adds the others.
func (e entries) decode(values map[any]any) error {
	var first error
	for name, value := range e {
		k, err := anyvalue.Decode([]byte(name))
		if err == nil {
			var v any
			if v, err = anyvalue.Decode([]byte(value)); err == nil {
				values[k] = v
				continue
			}
		}
		if first == nil {
			first = fmt.Errorf("gorillabridge: a value does not decode: %w", err)
		}
	}
	return first
}

// change is what a handler has done to entries.
type change struct {
	replace bool // all that is not set goes
	set     entries
	deleted []string
}

// since returns what has changed from before to e. A value of before that does not
// decode was not shown to the handler, and is not deleted because it is missing.
func (e entries) since(before entries) change {
	c := change{set: make(entries)}
	for name, value := range e {
		if old, ok := before[name]; !ok || !anyvalue.Equal([]byte(old), []byte(value)) {
			c.set[name] = value
		}
	}
	for name, value := range before {
		if _, ok := e[name]; !ok && shown(name, value) {
			c.deleted = append(c.deleted, name)
		}
	}
	return c
}

// shown reports whether decode adds this entry to a handler's values.
func shown(name, value string) bool {
	_, errName := anyvalue.Decode([]byte(name))
	_, errValue := anyvalue.Decode([]byte(value))
	return errName == nil && errValue == nil
}

func (c change) none() bool { return !c.replace && len(c.set) == 0 && len(c.deleted) == 0 }

// apply makes the change on what is stored by now.
func (c change) apply(e *entries) {
	if *e == nil || c.replace {
		*e = make(entries)
	}
	for _, name := range c.deleted {
		delete(*e, name)
	}
	maps.Copy(*e, c.set)
}

// codec encodes entries: the length of each text and the text, by the order of the
// names, so that equal entries are equal bytes.
type codec struct{}

// Encode takes entries.
func (codec) Encode(v any) ([]byte, error) {
	e, ok := v.(entries)
	if !ok {
		return nil, fmt.Errorf("gorillabridge: encoding a %T", v)
	}
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(e)) {
		b = appendText(appendText(b, name), e[name])
	}
	return b, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errDamaged = errors.New("gorillabridge: not the values of a session")

// Decode sets v, a pointer to entries.
func (codec) Decode(data []byte, v any) error {
	e, ok := v.(*entries)
	if !ok {
		return fmt.Errorf("gorillabridge: decoding into a %T", v)
	}
	read := make(entries)
	text := string(data)
	for len(text) > 0 {
		var name, value string
		var okName, okValue bool
		name, text, okName = cutText(text)
		value, text, okValue = cutText(text)
		if !okName || !okValue {
			return errDamaged
		}
		read[name] = value
	}
	*e = read
	return nil
}

// cutText returns the first text of s and what follows it.
func cutText(s string) (text, rest string, ok bool) {
	n, used := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if used <= 0 || n > uint64(len(s)-used) {
		return "", "", false
	}
	return s[used:][:n], s[used:][n:], true
}
