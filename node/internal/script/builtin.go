package script

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/holdfast-go/session/node/internal/js"
)

// Globals returns what a handler finds without declaring it. now is the clock.
func Globals(now int64) map[string]Value {
	date := func(ms float64) Value {
		clipped, ok := js.TimeClip(ms)
		value := Func(func(...Value) Value {
			if !ok {
				return math.NaN()
			}
			return float64(clipped)
		})
		iso := Func(func(...Value) Value {
			if !ok {
				return nil
			}
			return js.FormatDate(clipped)
		})
		return NewObject(map[string]Value{"getTime": value, "valueOf": value, "toISOString": iso, "toJSON": iso})
	}
	newDate := func(args ...Value) Value {
		if len(args) == 0 {
			return date(float64(now))
		}
		if s, ok := args[0].(string); ok {
			ms, valid := js.ParseDate(s)
			if !valid {
				return date(math.NaN())
			}
			return date(float64(ms))
		}
		return date(ToNumber(args[0]))
	}
	return map[string]Value{
		"undefined": Undefined{}, "NaN": math.NaN(), "Infinity": math.Inf(1),
		"String":  Func(func(args ...Value) Value { return Text(arg(args, 0)) }),
		"Number":  Func(func(args ...Value) Value { return ToNumber(arg(args, 0)) }),
		"Boolean": Func(func(args ...Value) Value { return Truthy(arg(args, 0)) }),
		"JSON": NewObject(map[string]Value{
			"stringify": Func(func(args ...Value) Value {
				if b, ok := JSON(arg(args, 0)); ok {
					return string(b)
				}
				return Undefined{}
			}),
			"parse": Func(func(args ...Value) Value { return Of([]byte(Text(arg(args, 0)))) }),
		}),
		"Object": NewObject(map[string]Value{
			"keys":     Func(func(args ...Value) Value { return keysOf(arg(args, 0)) }),
			"assign":   Func(func(args ...Value) Value { return assign(args) }),
			"freeze":   Func(func(args ...Value) Value { arg(args, 0).(*Object).Frozen = true; return args[0] }),
			"isFrozen": Func(func(args ...Value) Value { o, ok := arg(args, 0).(*Object); return !ok || o.Frozen }),
		}),
		"Array": NewObject(map[string]Value{
			"isArray": Func(func(args ...Value) Value { _, ok := arg(args, 0).(*Array); return ok }),
		}),
		"Date": NewObject(map[string]Value{
			"now": Func(func(...Value) Value { return float64(now) }), "new": Func(newDate),
		}),
		"Error": NewObject(map[string]Value{"new": Func(func(args ...Value) Value {
			return NewObject(map[string]Value{"message": Text(arg(args, 0)), "name": "Error"})
		})}),
		"Buffer": NewObject(map[string]Value{"from": Func(buffer)}),
	}
}

func arg(args []Value, i int) Value {
	if i < len(args) {
		return args[i]
	}
	return Undefined{}
}

func keysOf(v Value) Value {
	a := new(Array)
	if o, ok := v.(*Object); ok {
		for _, name := range o.Names() {
			a.Items = append(a.Items, name)
		}
	}
	return a
}

func assign(args []Value) Value {
	for _, from := range args[1:] {
		if o, ok := from.(*Object); ok {
			for _, name := range o.Names() {
				SetMember(args[0], name, Member(o, name))
			}
		}
	}
	return args[0]
}

func buffer(args ...Value) Value {
	b := []byte(Text(arg(args, 0)))
	if arg(args, 1) == "base64" {
		b = js.Base64(string(b))
	}
	return NewObject(map[string]Value{"toString": Func(func(args ...Value) Value {
		switch arg(args, 0) {
		case "base64":
			return base64.StdEncoding.EncodeToString(b)
		case "hex":
			return hex.EncodeToString(b)
		}
		return string(js.UTF8(b))
	})})
}

func stringMember(s, name string) Value {
	text := func(f func(args []Value) Value) Value { return Func(func(args ...Value) Value { return f(args) }) }
	switch name {
	case "length":
		return float64(len(units(s)))
	case "repeat":
		return text(func(args []Value) Value { return strings.Repeat(s, int(ToNumber(arg(args, 0)))) })
	case "slice":
		return text(func(args []Value) Value {
			from, to := bounds(args, len(units(s)))
			return string(utf16.Decode(units(s)[from:to]))
		})
	case "includes":
		return text(func(args []Value) Value { return strings.Contains(s, Text(arg(args, 0))) })
	case "startsWith":
		return text(func(args []Value) Value { return strings.HasPrefix(s, Text(arg(args, 0))) })
	case "toUpperCase":
		return text(func([]Value) Value { return strings.ToUpper(s) })
	case "toLowerCase":
		return text(func([]Value) Value { return strings.ToLower(s) })
	case "toString", "trim":
		return text(func([]Value) Value { return strings.TrimSpace(s) })
	case "split":
		return text(func(args []Value) Value {
			a := new(Array)
			for _, part := range strings.Split(s, Text(arg(args, 0))) {
				a.Items = append(a.Items, part)
			}
			return a
		})
	}
	if i, ok := index(name); ok && i < uint64(len(units(s))) {
		return string(utf16.Decode(units(s)[i : i+1]))
	}
	return Undefined{}
}

func arrayMember(a *Array, name string) Value {
	switch name {
	case "length":
		return float64(len(a.Items))
	case "push":
		return Func(func(args ...Value) Value { a.Items = append(a.Items, args...); return float64(len(a.Items)) })
	case "join":
		return Func(func(args ...Value) Value {
			separator := ","
			if len(args) > 0 {
				separator = Text(args[0])
			}
			parts := make([]string, len(a.Items))
			for i, item := range a.Items {
				parts[i] = Text(item)
			}
			return strings.Join(parts, separator)
		})
	case "map":
		return Func(func(args ...Value) Value {
			out := new(Array)
			for i, item := range a.Items {
				out.Items = append(out.Items, arg(args, 0).(Func)(item, float64(i)))
			}
			return out
		})
	case "slice":
		return Func(func(args ...Value) Value {
			from, to := bounds(args, len(a.Items))
			return &Array{slices.Clone(a.Items[from:to])}
		})
	}
	if i, ok := index(name); ok && i < uint64(len(a.Items)) {
		return a.Items[i]
	}
	return Undefined{}
}

func bounds(args []Value, n int) (from, to int) {
	at := func(i, otherwise int) int {
		if i >= len(args) || Nullish(args[i]) {
			return otherwise
		}
		v := int(ToNumber(args[i]))
		if v < 0 {
			v += n
		}
		return min(max(v, 0), n)
	}
	from, to = at(0, 0), at(1, n)
	return from, max(from, to)
}
