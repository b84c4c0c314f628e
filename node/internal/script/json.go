package script

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"

	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

func parseJSON(text []byte) (Value, error) {
	if !json.Valid(text) {
		return nil, errors.New("not valid JSON")
	}
	text = text[js.SkipBlanks(text, 0):]
	switch text[0] {
	case '{':
		f, err := fields.Parse(text)
		if err != nil {
			return nil, err
		}
		o := new(Object)
		for _, name := range f.Names() {
			raw, _ := f.Get(name)
			v, err := parseJSON(raw)
			if err != nil {
				return nil, err
			}
			o.Put(name, v)
		}
		return o, nil
	case '[':
		var raws []json.RawMessage
		if err := json.Unmarshal(text, &raws); err != nil {
			return nil, err
		}
		a := new(Array)
		for _, raw := range raws {
			v, err := parseJSON(raw)
			if err != nil {
				return nil, err
			}
			a.Items = append(a.Items, v)
		}
		return a, nil
	case '"':
		s, _ := js.String(text[:js.StringEnd(text, 0)])
		return s, nil
	}
	var v any
	err := json.Unmarshal(text, &v)
	return v, err
}

// JSON is JSON.stringify(v), and false where that is undefined.
func JSON(v Value) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return []byte("null"), true
	case bool:
		return strconv.AppendBool(nil, v), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return []byte("null"), true
		}
		return js.FormatNumber(v), true
	case string:
		return js.Quote(v), true
	case *Array:
		b := []byte{'['}
		for i, item := range v.Items {
			if i > 0 {
				b = append(b, ',')
			}
			text, ok := JSON(item)
			if !ok {
				text = []byte("null")
			}
			b = append(b, text...)
		}
		return append(b, ']'), true
	case *Object:
		if to, ok := Member(v, "toJSON").(Func); ok {
			return JSON(to())
		}
		b := []byte{'{'}
		for _, name := range v.Names() {
			own, _ := v.Own(name)
			text, ok := JSON(own)
			if !ok {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(append(b, js.Quote(name)...), ':'), text...)
		}
		return append(b, '}'), true
	}
	return nil, false
}
