package session

import (
	"bytes"
	"encoding/json"
)

// jsonCodec writes values as JSON.stringify does: with no escape that JSON does
// not need. So a program in JavaScript that shares the session, and saves it,
// leaves the bytes as they are, and setting what it wrote is no change.
type jsonCodec struct{}

func (jsonCodec) Encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err == nil {
		b = unescape(b)
	}
	return b, err
}

func (jsonCodec) Decode(data []byte, v any) error {
	if s, ok := v.(*string); ok && plain(data) {
		*s = string(data[1 : len(data)-1])
		return nil
	}
	return json.Unmarshal(data, v)
}

// plain tells whether data is a JSON string that says what stands there.
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

// unescape takes back, in place, what encoding/json escapes for HTML and
// JavaScript's sake, and for bytes that are no UTF-8.
func unescape(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u`)) {
		return b
	}
	// In JSON a backslash begins an escape, unless it ends one: so the escapes are
	// passed over from the first on.
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

// appendUnescaped appends what an escape of six bytes stands for, or the escape.
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
