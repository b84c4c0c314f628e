package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutated returns the text of m's file in the module at root, mutated.
func (m mutation) mutated(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", fmt.Errorf("mutants: %v: %w", m, err)
	}
	out, err := replaceOnce(string(text), m.find, m.with)
	if err != nil {
		return "", fmt.Errorf("mutants: %v: %s: %w", m, m.file, err)
	}
	return out, nil
}

// replaceOnce returns text with the one place that reads as find replaced. It
// fails where there is none or more than one.
func replaceOnce(text, find, with string) (string, error) {
	in, what := squeeze(text), squeeze(find).text
	at := strings.Index(in.text, what)
	if at < 0 {
		return "", fmt.Errorf("the text to find is not there:\n%s", find)
	}
	if strings.Contains(in.text[at+1:], what) {
		return "", fmt.Errorf("the text to find is there more than once:\n%s", find)
	}
	return text[:in.at[at]] + with + text[in.at[at+len(what)-1]+1:], nil
}

// squeezed is a text in which one blank stands for several, and none at the
// beginning and the end of a line.
type squeezed struct {
	text string
	at   []int // for each byte where it is in the text of before
}

func squeeze(text string) (s squeezed) {
	var b strings.Builder
	blank := -1 // where one waits for the rest of its line
	line := 0   // bytes of it so far
	add := func(c byte, at int) {
		b.WriteByte(c)
		s.at = append(s.at, at)
		line++
	}
	for i := range len(text) {
		switch c := text[i]; c {
		case ' ', '\t', '\r':
			if blank < 0 {
				blank = i
			}
		case '\n':
			add(c, i)
			blank, line = -1, 0
		default:
			if blank >= 0 && line > 0 {
				add(' ', blank)
			}
			add(c, i)
			blank = -1
		}
	}
	s.text = b.String()
	return s
}
