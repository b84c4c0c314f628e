package jsonvalue

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type shape interface{ Area() int }

type square struct{ Side int }

func (s square) Area() int { return s.Side * s.Side }

type drawing struct {
	Name   string
	Shapes []shape
}

type node struct {
	Name string
	Next *node
}

type own struct{ text string }

func (o own) MarshalJSON() ([]byte, error)  { return json.Marshal(o.text) }
func (o *own) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &o.text) }

type once struct{ n int }

func (o once) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `{"n":%d}`, o.n), nil }

type word int

func (w word) MarshalText() ([]byte, error) { return []byte("word"), nil }

type embeds struct {
	*hidden
	N int
}

type hidden struct{ A int }

type billing struct{ Street, City string }

type shipping struct {
	Street string
	Zip    string `json:"zip"`
}

type address struct {
	billing
	shipping
}

// ownStreet has a field of its own before those that it embeds.
type ownStreet struct {
	billing
	shipping
	Street string
}

// taggedStreet tells encoding/json which of two fields it means.
type taggedStreet struct {
	billing
	Other struct{ Street string }
	Home  string `json:"Street"`
}

type oneTagged struct {
	billing
	shipping
	tagged
}

type tagged struct {
	Home string `json:"Street"`
}

// Tree is exported so that it can embed itself.
type Tree struct {
	*Tree
	Name string
}

type (
	left  struct{ billing }
	right struct{ *billing }
	both  struct {
		left
		right
	}
)

func encode[T any](v T) error {
	c := For[T]()
	b, err := c.Encode(v)
	if err != nil {
		return err
	}
	var back T
	return c.Decode(b, &back)
}

func TestWhatDoesNotComeBackIsAnErrorOfEncode(t *testing.T) {
	for _, test := range []struct {
		name    string
		err     error
		changed bool // the error is ErrChanged, not one of encoding/json
	}{
		{"a string in Latin-1", encode("M\xfcller"), true},
		{"a digest in a string", encode(string([]byte{0xde, 0xad, 0xbe, 0xef})), true},
		{"half of a character", encode("gr\xc3"), true},
		{"beside U+FFFD itself", encode("\ufffd\xff"), true},
		{"keys of a map", encode(map[string]int{"\xff": 1, "\xfe": 2}), true},
		{"in a list", encode([]string{"a", "\xff"}), true},
		{"in a field", encode(node{Name: "a", Next: &node{Name: "\xff"}}), true},
		{"in a type that encodes itself", encode(own{"\xff"}), true},
		{"in an interface", encode(any("\xff")), true},
		{"an integer beyond 2^53 in an interface", encode(map[string]any{"id": int64(1<<53 + 1)}), true},
		{"an interface with methods", encode(shape(square{3})), false},
		{"an error", encode(errors.New("boom")), false},
		{"an interface in a field", encode(drawing{"a", []shape{square{3}}}), false},
		{"a channel", encode(make(chan int)), false},
		{"not a number", encode(math.NaN()), false},
	} {
		if test.err == nil || errors.Is(test.err, ErrChanged) != test.changed {
			t.Errorf("%s: got %v", test.name, test.err)
		}
	}
}

// Encode says so, before Decode would.
func TestATypeThatDoesNotDecodeDoesNotEncode(t *testing.T) {
	for name, encode := range map[string]func() ([]byte, error){
		"a type that encodes itself": func() ([]byte, error) { return For[once]().Encode(once{3}) },
		"a text":                     func() ([]byte, error) { return For[[]word]().Encode([]word{3}) },
		"a key":                      func() ([]byte, error) { return For[map[word]int]().Encode(map[word]int{3: 1}) },
		"an embedded pointer":        func() ([]byte, error) { return For[embeds]().Encode(embeds{&hidden{1}, 2}) },
	} {
		if b, err := encode(); err == nil {
			t.Errorf("%s: got %s, want an error", name, b)
		}
	}
	if _, err := For[embeds]().Encode(embeds{N: 2}); err != nil {
		t.Errorf("an embedded pointer that is nil: %v", err)
	}
}

// encoding/json leaves out all fields of one name that are at the same depth, and says
// nothing.
func TestATypeWithFieldsThatJSONLeavesOutDoesNotEncode(t *testing.T) {
	for _, test := range []struct {
		name, field string
		encode      func() ([]byte, error)
	}{
		{"of two embedded structs", "Street", func() ([]byte, error) { return For[address]().Encode(address{}) }},
		{"behind a pointer", "Street", func() ([]byte, error) { return For[*address]().Encode(&address{}) }},
		{"in a list in a map", "Street", func() ([]byte, error) { return For[map[string][]address]().Encode(nil) }},
		{"in a field", "Street", func() ([]byte, error) { return For[struct{ Home address }]().Encode(struct{ Home address }{}) }},
		{"one struct at two places", "Street", func() ([]byte, error) { return For[both]().Encode(both{}) }},
	} {
		b, err := test.encode()
		if err == nil || !strings.Contains(err.Error(), "field "+test.field+" ") {
			t.Errorf("%s: got %s, %v, want an error that names %s", test.name, b, err, test.field)
		}
	}
	number := reflect.TypeFor[int]()
	if err := droppedField(reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: number, Tag: `json:"n"`}, {Name: "B", Type: number, Tag: `json:"n,omitempty"`}, {Name: "N", Type: number},
	})); err == nil || !strings.Contains(err.Error(), "field n ") {
		t.Errorf("two tags: got %v", err)
	}
	for name, err := range map[string]error{
		"a field of its own":   encode(ownStreet{Street: "a"}),
		"a tag":                encode(taggedStreet{Home: "a"}),
		"a tag of one of them": encode(oneTagged{tagged: tagged{"a"}}),
		"one that embeds it":   encode(Tree{Name: "a"}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatComesBackEncodes(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
	}{
		{"U+FFFD itself", encode("a \ufffd b")},
		{"the text of an escape", encode(`\ufffd`)},
		{"JavaScript's escape", encode(json.RawMessage(`"\ufffd"`))},
		{"bytes", encode([]byte{0xff, 0})},
		{"an integer beyond 2^53", encode(int64(1<<53 + 1))},
		{"numbers in an interface", encode(any([]any{5, 1.5, 1e21, 1e-7, int64(1) << 53}))},
		{"a struct in an interface", encode(any(struct{ B, A int }{1, 2}))},
		{"a map in an interface", encode(map[string]any{"b": []string{"<"}, "a": nil})},
		{"no interface value", encode[error](nil)},
		{"a list without shapes", encode(drawing{Name: "a"})},
		{"a type that holds itself", encode(node{Name: "a", Next: &node{Name: "b"}})},
		{"a type that encodes itself", encode(own{"a"})},
		{"a time", encode(time.Unix(1, 2))},
		{"html", encode("<b>&</b>\u2028")},
	} {
		if test.err != nil {
			t.Errorf("%s: got %v", test.name, test.err)
		}
	}
}

func TestAnErrorOfEncodeShowsNoValue(t *testing.T) {
	for _, err := range []error{encode("secret\xff"), encode(any(int64(1<<53 + 1))), encode(shape(square{9007}))} {
		if text := fmt.Sprint(err); strings.Contains(text, "secret") || strings.Contains(text, "9007") {
			t.Error(text)
		}
	}
}

// A value without interfaces is encoded once, so that the check costs nothing.
func TestOnlyInterfacesCostASecondEncoding(t *testing.T) {
	c, plain := For[node](), Codec{}
	v := node{Name: "a"}
	checked := testing.AllocsPerRun(100, func() { _, _ = c.Encode(v) })
	if bare := testing.AllocsPerRun(100, func() { _, _ = plain.Encode(v) }); checked > bare {
		t.Errorf("%v allocations, without the check %v", checked, bare)
	}
}
