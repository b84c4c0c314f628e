package routers

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What docs/FRAMEWORKS.md shows is part of a recipe that these tests run.
func TestThePageQuotesTheRecipes(t *testing.T) {
	flat := func(b []byte) string { return strings.Join(strings.Fields(string(b)), " ") }
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "FRAMEWORKS.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
	files = append(files, filepath.Join("..", "..", "fibersession", "example_test.go"))
	var recipes []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		recipes = append(recipes, flat(text))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 10 {
		t.Fatalf("%d blocks of Go found", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(strings.Join(recipes, "\n"), flat(block[1])) {
			t.Errorf("this stands in docs/FRAMEWORKS.md, but in no recipe:\n%s", block[1])
		}
	}
}
