// Package words maps the values of an enumeration to words. They go through JSON, and into
// a log, as words: a number would say nothing to a reader, and could mean something else
// to another version.
package words

import (
	"fmt"
	"slices"
)

// Of has the words of the type V, by its values. A number whose word is empty is no value.
type Of[V ~uint8] struct {
	Type  string // as String writes it for what is no value
	Noun  string // as errors call a value
	Words []string
}

func (o Of[V]) has(v V) bool { return int(v) < len(o.Words) && o.Words[v] != "" }

// String returns the word of v, or its type and number where it has none.
func (o Of[V]) String(v V) string {
	if !o.has(v) {
		return fmt.Sprintf("%s(%d)", o.Type, uint8(v))
	}
	return o.Words[v]
}

// Marshal returns the word of v. It fails where v has none.
func (o Of[V]) Marshal(v V) ([]byte, error) {
	if !o.has(v) {
		return nil, fmt.Errorf("session: %s is no %s", o.String(v), o.Noun)
	}
	return []byte(o.Words[v]), nil
}

// Unmarshal sets v to the value of word. Where there is none it fails, and v stays.
func (o Of[V]) Unmarshal(word []byte, v *V) error {
	i := slices.Index(o.Words, string(word))
	if i < 0 || len(word) == 0 {
		return fmt.Errorf("session: %q is no %s", word, o.Noun)
	}
	*v = V(i)
	return nil
}
