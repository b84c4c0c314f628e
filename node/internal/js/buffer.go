package js

import "unicode/utf8"

// Base64 decodes as Node's Buffer.from(s, "base64") does: both alphabets, up
// to the first "=", characters that belong to neither left out. It never
// fails.
func Base64(s string) []byte {
	b := make([]byte, 0, len(s)/4*3+3)
	var bits uint32
	n := 0
	for i := 0; i < len(s) && s[i] != '='; i++ {
		v := base64Value(s[i])
		if v < 0 {
			continue
		}
		bits = bits<<6 | uint32(v)
		if n += 6; n >= 8 {
			n -= 8
			b = append(b, byte(bits>>n))
		}
	}
	return b
}

func base64Value(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+' || c == '-':
		return 62
	case c == '/' || c == '_':
		return 63
	}
	return -1
}

// UTF8 is what Buffer.toString("utf8") makes of b, in UTF-8: each longest
// beginning of a character that goes wrong becomes one U+FFFD, as the WHATWG
// encoding standard has it. Go's own conversions make one of each byte.
func UTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+8)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size <= 1 {
			size = maximalPart(b)
		}
		out = utf8.AppendRune(out, r)
		b = b[size:]
	}
	return out
}

// maximalPart returns how many bytes at the start of b, which is ill-formed
// there, could have begun a character.
func maximalPart(b []byte) int {
	var want int
	low, high := byte(0x80), byte(0xbf)
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		want = 1
	case c >= 0xe0 && c <= 0xef:
		want = 2
	case c >= 0xf0 && c <= 0xf4:
		want = 3
	default:
		return 1
	}
	switch b[0] {
	case 0xe0:
		low = 0xa0
	case 0xed:
		high = 0x9f
	case 0xf0:
		low = 0x90
	case 0xf4:
		high = 0x8f
	}
	n := 1
	for n <= want && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

// Latin1 is a header's bytes as Node makes a string of them, in UTF-8: each
// byte is a character.
func Latin1(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return s
	}
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		b = utf8.AppendRune(b, rune(s[i]))
	}
	return string(b)
}
