package fields

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/holdfast-go/session/node/internal/js"
)

// maxText is the longest JSON text that Parse accepts, in bytes: four times
// what memcached takes in its default configuration.
const maxText = 4 << 20

// Fields are the members of a JSON object as JSON.parse sees it, each with the
// bytes it was written in. The zero value is the empty object. It is not safe
// for concurrent use.
type Fields struct {
	members []member
	index   map[string]int // of a name's member, in objects with many
	source  []byte         // the whole text, until a member changes
}

type member struct {
	name  string // WTF-8, so that lone surrogates stay apart
	key   []byte // the name as written, quotes included
	value json.RawMessage
}

// manyMembers is where a search through the members gets slower than a map.
const manyMembers = 16

// Parse reads a JSON object. Of a name that is written twice the first place
// and the last value count. Bytes that are not UTF-8 count as U+FFFD, which is
// what Node's clients make of them before they parse. A text longer than 4 MiB is
// an error.
func Parse(text []byte) (*Fields, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("fields: %d bytes of JSON, more than %d", len(text), maxText)
	}
	if !json.Valid(text) {
		return nil, errors.New("fields: not JSON")
	}
	i := js.SkipBlanks(text, 0)
	if text[i] != '{' {
		return nil, errors.New("fields: not a JSON object")
	}
	f := &Fields{source: slices.Clone(js.UTF8(text))}
	f.read(f.source, i)
	return f, nil
}

// read takes in the object that begins at i, in text that is JSON.
func (f *Fields) read(text []byte, i int) {
	for i = js.SkipBlanks(text, i+1); text[i] != '}'; i = js.SkipBlanks(text, i) {
		if text[i] == ',' {
			i = js.SkipBlanks(text, i+1)
		}
		end := js.StringEnd(text, i)
		key := text[i:end]
		i = js.SkipBlanks(text, js.SkipBlanks(text, end)+1)
		end = js.ValueEnd(text, i)
		f.put(member{name: js.Unquote(key), key: key, value: json.RawMessage(text[i:end:end])})
		i = end
	}
}

// Len returns the number of members.
func (f *Fields) Len() int { return len(f.members) }

// Names returns the names in the order in which they are written.
func (f *Fields) Names() []string {
	names := make([]string, len(f.members))
	for i, m := range f.members {
		names[i] = m.name
	}
	return names
}

// Get returns the value of a member as it is written. The caller must not
// change it.
func (f *Fields) Get(name string) (json.RawMessage, bool) {
	if i := f.find(name); i >= 0 {
		return f.members[i].value, true
	}
	return nil, false
}

// Set gives a member a value, and fails where that is not JSON. A new member
// goes where JavaScript has it: names that are array indexes come first, in
// their order, all others at the end.
func (f *Fields) Set(name string, value json.RawMessage) error {
	if !json.Valid(value) {
		return fmt.Errorf("fields: member %q: the value is not JSON", name)
	}
	f.source = nil
	if i := f.find(name); i >= 0 {
		f.members[i].value = value
		return nil
	}
	m := member{name: name, key: js.Quote(name), value: value}
	if n, ok := arrayIndex(name); ok {
		for i := range f.members {
			if other, ok := arrayIndex(f.members[i].name); !ok || other > n {
				f.members = slices.Insert(f.members, i, m)
				f.index = nil
				return nil
			}
		}
	}
	f.put(m)
	return nil
}

// Delete removes a member, if it is there.
func (f *Fields) Delete(name string) {
	if i := f.find(name); i >= 0 {
		f.members = slices.Delete(f.members, i, i+1)
		f.source, f.index = nil, nil
	}
}

// Append appends the object's JSON to b: byte for byte what was parsed while
// no member was set or deleted, else its members as they were written, without
// blanks between them.
func (f *Fields) Append(b []byte) []byte {
	if f.source != nil {
		return append(b, f.source...)
	}
	b = append(b, '{')
	for i, m := range f.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, m.key...), ':'), m.value...)
	}
	return append(b, '}')
}

// Clone returns a copy that shares nothing that changes.
func (f *Fields) Clone() *Fields {
	return &Fields{members: slices.Clone(f.members), source: f.source}
}

func (f *Fields) put(m member) {
	if i := f.find(m.name); i >= 0 {
		f.members[i].value = m.value
		return
	}
	f.members = append(f.members, m)
	if f.index != nil {
		f.index[m.name] = len(f.members) - 1
	}
}

func (f *Fields) find(name string) int {
	if len(f.members) < manyMembers {
		return slices.IndexFunc(f.members, func(m member) bool { return m.name == name })
	}
	if f.index == nil {
		f.index = make(map[string]int, 2*len(f.members))
		for i, m := range f.members {
			f.index[m.name] = i
		}
	}
	if i, ok := f.index[name]; ok {
		return i
	}
	return -1
}

// arrayIndex reports whether JavaScript orders a name by its number: 0 to
// 4294967294, in its shortest form.
func arrayIndex(name string) (uint64, bool) {
	if name == "" || len(name) > 10 || name[0] == '0' && len(name) > 1 {
		return 0, false
	}
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n < 1<<32-1
}
