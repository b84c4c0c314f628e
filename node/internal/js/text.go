package js

import (
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// SkipBlanks returns the index of the first character from i on that is no
// blank. Like the next two, it walks over text that json.Valid accepted.
func SkipBlanks(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// StringEnd returns the index after the string that begins at i.
func StringEnd(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// ValueEnd returns the index after the value that begins at i.
func ValueEnd(text []byte, i int) int {
	switch text[i] {
	case '"':
		return StringEnd(text, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch text[i] {
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			case '"':
				i = StringEnd(text, i) - 1
			}
		}
	}
	for i < len(text) && text[i] > ' ' && text[i] != ',' && text[i] != '}' && text[i] != ']' {
		i++
	}
	return i
}

// String returns what a JSON string says, and false for any other value. The
// value is UTF-8, as after [UTF8]. Lone surrogates, which only an escape can
// write, are kept as three bytes, which is not UTF-8 but WTF-8.
func String(value json.RawMessage) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return Unquote(value), true
}

// Unquote returns what a JSON string says, its quotes included in s.
func Unquote(s []byte) string {
	b := make([]byte, 0, len(s))
	for s = s[1 : len(s)-1]; len(s) > 0; {
		if s[0] != '\\' {
			b = append(b, s[0])
			s = s[1:]
			continue
		}
		escape := s[1]
		s = s[2:]
		switch escape {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hexRune(s)
			s = s[4:]
			if utf16.IsSurrogate(r) && len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
				if pair := utf16.DecodeRune(r, hexRune(s[2:])); pair != utf8.RuneError {
					r, s = pair, s[6:]
				}
			}
			b = appendWTF8(b, r)
		default: // " \ /
			b = append(b, escape)
		}
	}
	return string(b)
}

func hexRune(s []byte) rune {
	n, _ := strconv.ParseUint(string(s[:4]), 16, 16)
	return rune(n)
}

func appendWTF8(b []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(b, r)
}

// Quote returns s as JSON.stringify writes it: only what JSON wants escaped is,
// and lone surrogates. Bytes that are no text stay as they are.
func Quote(s string) json.RawMessage {
	const hex = "0123456789abcdef"
	b := []byte{'"'}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			switch c {
			case '\b':
				b = append(b, `\b`...)
			case '\f':
				b = append(b, `\f`...)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		case c == 0xed && i+2 < len(s) && s[i+1]&0xe0 == 0xa0 && s[i+2]&0xc0 == 0x80:
			r := rune(c&0x0f)<<12 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f)
			b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			i += 2
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// Truthy reports whether JavaScript takes a value for true. Absent values are
// not.
func Truthy(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", `""`:
		return false
	}
	if n, ok := Number(value); ok {
		return n != 0
	}
	return true
}

// Null reports whether a value is absent or null, JavaScript's == null.
func Null(value json.RawMessage) bool { return value == nil || string(value) == "null" }

// UTF16Len returns the length that JavaScript gives a string.
func UTF16Len(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}
