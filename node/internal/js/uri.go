package js

import (
	"strings"
	"unicode/utf8"
)

// EncodeURIComponent percent-encodes the UTF-8 of s as JavaScript does:
// everything but A-Z a-z 0-9 - _ . ! ~ * ' ( ), in upper-case hex. It reports
// false for what is not UTF-8.
func EncodeURIComponent(s string) (string, bool) {
	const hex = "0123456789ABCDEF"
	if !utf8.ValidString(s) {
		return "", false
	}
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-_.!~*'()", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b), true
}

// DecodeURIComponent undoes it, and reports false for what JavaScript refuses:
// a "%" without two hex digits, and escapes that are not UTF-8.
func DecodeURIComponent(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		start := len(b)
		for i < len(s) && s[i] == '%' { // a run of escapes is UTF-8 by itself
			if i+2 >= len(s) {
				return "", false
			}
			high, low := unhex(s[i+1]), unhex(s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			b = append(b, byte(high<<4|low))
			i += 3
		}
		if !utf8.Valid(b[start:]) {
			return "", false
		}
		i--
	}
	return string(b), true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
