package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const pageHead = `# Benchmarks

` + "`make bench`" + ` writes each section anew, between its marks. Rates are of a machine that does other things
too; the ratios are what to look at.

![Requests a second beside the bare handler](benchmarks.svg)
`

// pageOrder is the order of the sections in the page.
func pageOrder() []string {
	return append(append([]string{"run", "lines"}, sectionNames()...), "profiles")
}

// writePage replaces the sections that were measured, and adds those that the page
// does not have. The text between sections stays.
func writePage(path string, texts map[string]string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		content, err = []byte(pageHead), nil
	}
	if err != nil {
		return err
	}
	page := string(content)
	for _, name := range pageOrder() {
		text, ok := texts[name]
		if !ok {
			continue
		}
		if page, err = withSection(page, name, text); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(page), 0o644)
}

func withSection(page, name, text string) (string, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, began := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	switch {
	case !began && !strings.Contains(page, end):
		return page + "\n" + begin + text + end, nil
	case !ended:
		return "", fmt.Errorf("one mark of the section %q is missing: it stands between %q and %q", name, begin, end)
	}
	return before + begin + text + end + after, nil
}
