package session_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The code in the README and on the page of recipes is part of an example or of a program
// that runs.
func TestTheREADMEQuotesExamples(t *testing.T) {
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	examples := ""
	files, err := filepath.Glob("*example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "examples/first/main.go")
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples += flat(string(source)) + " "
	}
	for name, least := range map[string]int{"README.md": 3, "docs/LOGINS.md": 5} {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
		if len(blocks) < least {
			t.Fatalf("%d blocks of Go found in %s", len(blocks), name)
		}
		for _, block := range blocks {
			if !strings.Contains(examples, flat(block[1])) {
				t.Errorf("this stands in %s, but in no example:\n%s", name, block[1])
			}
		}
	}
}

// Each recipe of docs/LOGINS.md names the example that runs it, and the file where it is.
func TestEachRecipeHasItsExample(t *testing.T) {
	page, err := os.ReadFile("docs/LOGINS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(page), "\n## ")
	for _, recipe := range strings.Split(recipes, "\n## ") {
		title, text, _ := strings.Cut(recipe, "\n")
		named := regexp.MustCompile("\\[`(Example\\w+)`\\]\\(\\.\\./(\\w+_test\\.go)\\)").FindAllStringSubmatch(text, -1)
		if len(named) == 0 {
			t.Errorf("%q names no example", title)
		}
		for _, m := range named {
			source, err := os.ReadFile(m[2])
			if err != nil || !strings.Contains(string(source), "\nfunc "+m[1]+"() {") {
				t.Errorf("%q: %s is not in %s (%v)", title, m[1], m[2], err)
			}
		}
	}
}
