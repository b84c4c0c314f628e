package connectmemcached

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-go/session/node/internal/js"
)

// This file follows the client memcached 2.2.2, of the same name as the server.

// Flags tell the client what a session was in JavaScript. It has more of them, for
// values that are no sessions.
const (
	FlagString uint32 = 0
	FlagJSON   uint32 = 2
)

// maxValue is the longest value that the client sends, and that memcached
// takes, in bytes.
const maxValue = 1 << 20

// maxKey is in characters, as JavaScript counts them.
const maxKey = 250

// wireKey is the key that is sent. A long one is sent as its MD5.
func wireKey(key string, noLong bool) (string, error) {
	switch {
	case key == "":
		return "", errors.New("connectmemcached: key: empty")
	case !utf8.ValidString(key):
		return "", errors.New("connectmemcached: key: not UTF-8")
	case js.UTF16Len(key) > maxKey && noLong:
		return "", errors.New("connectmemcached: key: longer than 250 characters")
	case js.UTF16Len(key) > maxKey:
		return HashKey(key), nil
	case strings.IndexFunc(key, blank) >= 0:
		return "", errors.New("connectmemcached: key: has a blank or a line break")
	}
	return replaced(key)
}

// HashKey is memcached.Options.HashKey for servers that are shared with the Node
// client: what is longer than 250 characters stands there under its MD5. It has
// an error for other keys that memcached cannot take, which no session's are.
func HashKey(key string) string {
	sum := md5.Sum([]byte(key))
	return hex.EncodeToString(sum[:])
}

// blank is JavaScript's \s.
func blank(r rune) bool { return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) }

// replaced is what becomes of a key as the replacement of
// String.prototype.replace, through which the client puts it.
func replaced(key string) (string, error) {
	if strings.IndexByte(key, '$') < 0 {
		return key, nil
	}
	b := new(strings.Builder)
	for i := 0; i < len(key); i++ {
		if key[i] != '$' || i+1 == len(key) {
			b.WriteByte(key[i])
			continue
		}
		switch key[i+1] {
		case '$':
			b.WriteByte('$')
		case '&':
			b.WriteString(key)
		case '`', '\'': // a part of the command, and thus a blank
			return "", errors.New("connectmemcached: key: has a $ that the Node client makes another command of")
		default:
			b.WriteByte('$')
			continue
		}
		i++
	}
	return b.String(), nil
}

// escape puts a backslash before each CR and LF.
func escape(value []byte) []byte {
	if bytes.IndexByte(value, '\r') < 0 && bytes.IndexByte(value, '\n') < 0 {
		return value
	}
	out := make([]byte, 0, len(value)+8)
	for _, c := range value {
		if c == '\r' || c == '\n' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return out
}

func unescape(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for i, c := range value {
		if c == '\\' && i+1 < len(value) && (value[i+1] == '\r' || value[i+1] == '\n') {
			continue
		}
		out = append(out, c)
	}
	return out
}
