// Package anyvalue encodes a value of any type together with that type, for the
// bridges to libraries whose sessions hold values of type any: gorillabridge and
// scsbridge. The types that such sessions hold nearly always have a short form of
// one letter and their bytes. Every other type is gob, which both libraries use, so
// that a program registers its own types as before: with gob.Register.
package anyvalue

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// The letters that an encoded value begins with.
const (
	isNil     = '0'
	isString  = 's'
	isBytes   = 'b'
	isFalse   = 'f'
	isTrue    = 't'
	isInt     = 'i'
	isInt32   = 'w'
	isInt64   = 'l'
	isFloat64 = 'd'
	isTime    = 'm'
	isGob     = 'g'
)

// Codec has the methods of session.Codec, for keys of type any.
type Codec struct{}

// Encode is [Encode].
func (Codec) Encode(v any) ([]byte, error) { return Encode(v) }

// Decode is [Decode]. v is a pointer to an any.
func (Codec) Decode(data []byte, v any) error {
	to, ok := v.(*any)
	if !ok {
		return fmt.Errorf("anyvalue: decoding into %T, want *any", v)
	}
	got, err := Decode(data)
	if err == nil {
		*to = got
	}
	return err
}

// Encode returns v and its type. It fails where gob does: on a type that is not
// registered, a function, a channel. One value may have several encodings, those of
// gob, see [Equal].
func Encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return []byte{isNil}, nil
	case string:
		return append([]byte{isString}, v...), nil
	case []byte:
		return append([]byte{isBytes}, v...), nil
	case bool:
		if v {
			return []byte{isTrue}, nil
		}
		return []byte{isFalse}, nil
	case int:
		return binary.AppendVarint([]byte{isInt}, int64(v)), nil
	case int32:
		return binary.AppendVarint([]byte{isInt32}, int64(v)), nil
	case int64:
		return binary.AppendVarint([]byte{isInt64}, v), nil
	case float64:
		return binary.BigEndian.AppendUint64([]byte{isFloat64}, math.Float64bits(v)), nil
	case time.Time:
		return v.AppendBinary([]byte{isTime})
	}
	var b bytes.Buffer
	b.WriteByte(isGob)
	err := gob.NewEncoder(&b).Encode(&v) // the pointer makes gob write the type's name
	return b.Bytes(), err
}

var errDamaged = errors.New("anyvalue: not an encoded value")

// Decode returns what Encode was given: a value of the same type, of which nothing
// is shared with data. As with gob a pointer comes back as a pointer or as the value,
// whichever was registered, and the time of a time.Time without its monotonic clock.
func Decode(data []byte) (any, error) {
	if len(data) == 0 {
		return nil, errDamaged
	}
	letter, rest := data[0], data[1:]
	switch letter {
	case isString:
		return string(rest), nil
	case isBytes:
		return append([]byte{}, rest...), nil
	case isTime:
		var t time.Time
		err := t.UnmarshalBinary(rest)
		return t, err
	case isGob:
		var v any
		err := gob.NewDecoder(bytes.NewReader(rest)).Decode(&v)
		return v, err
	case isInt, isInt32, isInt64:
		return decodeInt(letter, rest)
	case isFloat64:
		if len(rest) != 8 {
			return nil, errDamaged
		}
		return math.Float64frombits(binary.BigEndian.Uint64(rest)), nil
	}
	if len(rest) > 0 {
		return nil, errDamaged
	}
	switch letter {
	case isNil:
		return nil, nil
	case isFalse, isTrue:
		return letter == isTrue, nil
	}
	return nil, errDamaged
}

func decodeInt(letter byte, rest []byte) (any, error) {
	n, used := binary.Varint(rest)
	if used <= 0 || used != len(rest) {
		return nil, errDamaged
	}
	switch {
	case letter == isInt64:
		return n, nil
	case letter == isInt32 && int64(int32(n)) == n:
		return int32(n), nil
	case letter == isInt && int64(int(n)) == n:
		return int(n), nil
	}
	return nil, fmt.Errorf("anyvalue: %s does not fit the type that it was encoded with", strconv.FormatInt(n, 10))
}

// Equal reports whether a and b are the same value. gob writes a map in any order,
// and numbers types as a process meets them.
func Equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 || a[0] != isGob || b[0] != isGob {
		return false
	}
	x, errX := Decode(a)
	y, errY := Decode(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}
