package script

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	end kind = iota
	word
	number
	text
	template // its parts are in parts
	sign
)

type token struct {
	kind  kind
	text  string
	parts []string // of a template: text, source of an expression, text, …
}

var signs = []string{
	"...", "===", "!==", "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=",
}

// lex splits source into tokens, and panics with an unknown.
func lex(source string) []token {
	var tokens []token
	for s := source; ; {
		s = strings.TrimLeft(s, " \t\r\n")
		switch {
		case s == "":
			return append(tokens, token{kind: end})
		case strings.HasPrefix(s, "//"):
			_, s, _ = strings.Cut(s, "\n")
		case strings.HasPrefix(s, "/*"):
			_, s, _ = strings.Cut(s, "*/")
		case wordChar(s[0]) && (s[0] < '0' || s[0] > '9'):
			n := 0
			for n < len(s) && wordChar(s[n]) {
				n++
			}
			tokens = append(tokens, token{kind: word, text: s[:n]})
			s = s[n:]
		case s[0] >= '0' && s[0] <= '9':
			n := 0
			for n < len(s) && (wordChar(s[n]) || s[n] == '.') {
				n++
			}
			tokens = append(tokens, token{kind: number, text: strings.ReplaceAll(s[:n], "_", "")})
			s = s[n:]
		case s[0] == '\'' || s[0] == '"':
			value, rest := quoted(s[1:], s[0])
			tokens = append(tokens, token{kind: text, text: value})
			s = rest
		case s[0] == '`':
			parts, rest := templateParts(s[1:])
			tokens = append(tokens, token{kind: template, parts: parts})
			s = rest
		default:
			n := 1
			for _, sg := range signs {
				if strings.HasPrefix(s, sg) {
					n = len(sg)
					break
				}
			}
			tokens = append(tokens, token{kind: sign, text: s[:n]})
			s = s[n:]
		}
	}
}

func wordChar(c byte) bool {
	return c == '_' || c == '$' || c >= utf8.RuneSelf || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func quoted(s string, quote byte) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case quote:
			return b.String(), s[i+1:]
		case '\\':
			n := escape(&b, s[i+1:])
			i += n
		default:
			b.WriteByte(s[i])
		}
	}
	panic(unknown("a string without an end"))
}

// escape writes what comes after a backslash, and returns how long it is.
func escape(b *strings.Builder, s string) int {
	hexadecimal := func(from, to int) int {
		if to > len(s) {
			panic(unknown("a broken escape"))
		}
		n, err := strconv.ParseUint(s[from:to], 16, 32)
		if err != nil {
			panic(unknown("a broken escape"))
		}
		b.WriteRune(rune(n))
		return to
	}
	if s == "" {
		panic(unknown("a string without an end"))
	}
	switch s[0] {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '0':
		b.WriteByte(0)
	case 'x':
		return hexadecimal(1, 3)
	case 'u':
		if len(s) > 1 && s[1] == '{' {
			return hexadecimal(2, strings.IndexByte(s, '}')) + 1
		}
		return hexadecimal(1, 5)
	default:
		b.WriteByte(s[0])
	}
	return 1
}

func templateParts(s string) (parts []string, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '`':
			return append(parts, b.String()), s[i+1:]
		case s[i] == '\\':
			i += escape(&b, s[i+1:])
		case strings.HasPrefix(s[i:], "${"):
			depth, j := 1, i+2
			for ; j < len(s) && depth > 0; j++ {
				switch s[j] {
				case '{':
					depth++
				case '}':
					depth--
				}
			}
			parts = append(parts, b.String(), s[i+2:j-1])
			b.Reset()
			i = j - 1
		default:
			b.WriteByte(s[i])
		}
	}
	panic(unknown("a template without an end"))
}

// unknown is a piece of JavaScript that this package cannot run.
type unknown string

func (u unknown) Error() string {
	return fmt.Sprintf("script: %s is more JavaScript than is known", string(u))
}
