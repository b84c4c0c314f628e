package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const pageHead = `# Benchmarks

` + "`" + pageCommand + "`" + ` writes each section anew, between its marks. Rates are of a machine that does other things
too; the ratios are what to look at.
`

// writeSection replaces the section of that name in the page, or adds it.
func writeSection(path, name, text string) error {
	page, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		page, err = []byte(pageHead), nil
	}
	if err != nil {
		return err
	}
	changed, err := withSection(string(page), name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
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
