package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// harmless are the mutations that a page says change nothing that anybody could
// notice, each with the reason. They are the rows of the page's tables whose
// header begins with "list" and "mutation".
type harmless []harmlessRow

type harmlessRow struct{ list, name, reason string }

func readPage(name string) (harmless, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	var rows harmless
	survivors := false
	for line := range strings.SplitSeq(string(text), "\n") {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 2 || cells[0] != "" {
			survivors = false
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(cells) > 2 && cells[1] == "list" && cells[2] == "mutation":
			survivors = true
		case !survivors || strings.HasPrefix(cells[1], "--"):
		case len(cells) != 5 || cells[3] == "":
			return nil, fmt.Errorf("mutants: %s: a row is not a list, a mutation and the reason: %s", name, line)
		default:
			rows = append(rows, harmlessRow{cells[1], cells[2], cells[3]})
		}
	}
	return rows, nil
}

// reason returns why m is harmless, or "".
func (h harmless) reason(m mutation) string {
	for _, row := range h {
		if row.list == m.list && row.name == m.name {
			return row.reason
		}
	}
	return ""
}

// check returns an error that names the rows that are of no mutation.
func (h harmless) check(lists []list) error {
	var errs []error
	for _, row := range h {
		named := func(m mutation) bool { return m.list == row.list && m.name == row.name }
		if !slices.ContainsFunc(lists, func(l list) bool { return slices.ContainsFunc(l.mutations, named) }) {
			errs = append(errs, fmt.Errorf("mutants: the page has a row of %s: %s, which is in no list", row.list, row.name))
		}
	}
	return errors.Join(errs...)
}
