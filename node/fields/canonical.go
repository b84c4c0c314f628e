package fields

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/holdfast-go/session/node/internal/js"
)

// Canonical returns a JSON value as it is after JSON.parse and JSON.stringify:
// two texts of one value have the same. exact is false where an integer has
// become another one, as beyond ±2^53 it may. The value must be JSON; bytes that
// are not UTF-8 count as in [Parse].
func Canonical(value json.RawMessage) (text []byte, exact bool) {
	exact = true
	text = appendCanonical(make([]byte, 0, len(value)), bytes.TrimSpace(js.UTF8(value)), &exact)
	return text, exact
}

func appendCanonical(b, value []byte, exact *bool) []byte {
	switch value[0] {
	case '"':
		return append(b, js.Quote(js.Unquote(value))...)
	case '[':
		b = append(b, '[')
		for i := js.SkipBlanks(value, 1); value[i] != ']'; i = js.SkipBlanks(value, i) {
			if value[i] == ',' {
				b = append(b, ',')
				i = js.SkipBlanks(value, i+1)
			}
			end := js.ValueEnd(value, i)
			b = appendCanonical(b, value[i:end], exact)
			i = end
		}
		return append(b, ']')
	case '{':
		var f Fields
		f.read(value, 0)
		slices.SortStableFunc(f.members, func(x, y member) int {
			n, isN := arrayIndex(x.name)
			m, isM := arrayIndex(y.name)
			switch {
			case isN && isM:
				return cmp.Compare(n, m)
			case isN:
				return -1
			case isM:
				return 1
			}
			return 0
		})
		b = append(b, '{')
		for i, m := range f.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, js.Quote(m.name)...), ':')
			b = appendCanonical(b, m.value, exact)
		}
		return append(b, '}')
	}
	n, ok := js.Number(value)
	if !ok {
		return append(b, value...)
	}
	if !bytes.ContainsAny(value, ".eE") && strconv.FormatFloat(n, 'f', -1, 64) != string(value) && string(value) != "-0" {
		*exact = false
	}
	return append(b, js.FormatNumber(n)...)
}
