package session_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the README shows is part of an example that runs.
func TestTheREADMEQuotesExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks of Go found", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(flat(string(examples)), flat(block[1])) {
			t.Errorf("this stands in README.md, but in no example:\n%s", block[1])
		}
	}
}
