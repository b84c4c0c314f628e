package interop_test

import (
	"os"
	"strings"
	"testing"
)

// What docs/FROM-GORILLA.md shows of gin-contrib/sessions is what these tests run.
func TestThePageQuotesTheStoreForGinContrib(t *testing.T) {
	flat := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)), " ")
	}
	page, code := flat("../../docs/FROM-GORILLA.md"), flat("gincontrib_test.go")
	found := 0
	for _, block := range strings.Split(page, "```go ")[1:] {
		block, _, _ = strings.Cut(block, " ```")
		if !strings.Contains(block, "ginStore") {
			continue
		}
		if found++; !strings.Contains(code, block) {
			t.Errorf("this stands in docs/FROM-GORILLA.md, but in no test:\n%s", block)
		}
	}
	if found != 2 {
		t.Errorf("%d blocks of ginStore found, want 2", found)
	}
}
