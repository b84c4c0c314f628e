package session

import (
	"fmt"
	"slices"
)

// A value that has a word goes through JSON, and into a log, as that word: a number would
// say nothing to a reader, and another thing to another version.

// marshalWord returns the word of v, which is one of words by its place. what names the
// kind of v.
func marshalWord[V ~uint8](words []string, v V, what string) ([]byte, error) {
	if int(v) >= len(words) || words[v] == "" {
		return nil, fmt.Errorf("session: %v is no %s", v, what)
	}
	return []byte(words[v]), nil
}

// unmarshalWord sets v to the place of word among words.
func unmarshalWord[V ~uint8](words []string, v *V, word []byte, what string) error {
	i := slices.Index(words, string(word))
	if i < 0 || words[i] == "" {
		return fmt.Errorf("session: %q is no %s", word, what)
	}
	*v = V(i)
	return nil
}
